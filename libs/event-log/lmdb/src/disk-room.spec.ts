import { expect, test } from '@jest/globals';
import { lackOn } from './disk-room.js';

const MIB = 1024 * 1024;

test('what has to stay free is not written over', () => {
  const disk = { blocks: 1024, bavail: 60, bsize: MIB };
  expect(lackOn(disk, '/log', 0)).toBeUndefined();
  expect(lackOn(disk, '/log', 10 * MIB)).toMatch(/the disk of \/log is full: 60 MiB are left, and 51 MiB have to stay free/);
});

test('a file system that tells no size is not taken for a full one', () => {
  expect(lackOn({ blocks: 0, bavail: 0, bsize: 4096 }, '/log', 1)).toBeUndefined();
});
