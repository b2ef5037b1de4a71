import { expect, test } from '@jest/globals';
import { shortageBelow, shortageOn } from './disk-shortage.js';

const MIB = 1024 * 1024;
const disk = (total: number, free: number) => ({ blocks: total, bavail: free, bsize: MIB });

test('a disk is short of room below a twentieth of it, within bounds, and says how much is left and what is refused', () => {
  expect(shortageOn(disk(1000, 50), '/files')).toBeUndefined();
  expect(shortageOn(disk(1000, 49), '/files')).toMatch(
    /^the disk of \/files has 49 MiB left: files that do not fit are refused with MR_ARTIFACT_DISK_FULL/,
  );
  expect([shortageOn(disk(100, 16), '/files'), shortageOn(disk(1_000_000, 256), '/files')]).toEqual([undefined, undefined]);
  expect([shortageOn(disk(100, 15), '/files'), shortageOn(disk(1_000_000, 255), '/files')]).not.toContain(undefined);
});

test('a file system that tells no size is not called short of room', async () => {
  expect(shortageOn(disk(0, 0), '/files')).toBeUndefined();
  expect(await shortageBelow('/proc')).toBeUndefined();
});
