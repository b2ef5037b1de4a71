import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { tempDir, type TempDir } from '@millrace/testing';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DataDirectory } from './data-directory.js';

describe('a data directory', () => {
  let temp: TempDir;
  beforeEach(async () => {
    temp = await tempDir('data-directory');
  });
  afterEach(() => temp.remove());

  const lock = () => join(temp.path, 'millrace.lock');

  test('belongs to one process until it is closed', () => {
    const held = DataDirectory.open(temp.path);
    expect(() => DataDirectory.open(temp.path)).toThrow(new RegExp(`in use by process ${process.pid} on .*MILLRACE_DATA_DIR`));
    held.close();
    expect(existsSync(lock())).toBe(false);
    DataDirectory.open(temp.path).close();
  });

  test('is taken over from a process that was killed', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    writeFileSync(lock(), JSON.stringify({ pid: child.pid, started: 'unknown', host: hostname() }));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(() => DataDirectory.open(temp.path).close()).not.toThrow();
  });

  test('is taken over when the pid now belongs to a later process', () => {
    writeFileSync(lock(), JSON.stringify({ pid: process.pid, started: 'another boot/1', host: hostname() }));
    expect(() => DataDirectory.open(temp.path).close()).not.toThrow();
  });

  test('is not taken from another machine that is alive', () => {
    writeFileSync(lock(), JSON.stringify({ pid: 1, started: 'x', host: `not-${hostname()}` }));
    expect(() => DataDirectory.open(temp.path)).toThrow(/in use by process 1 on not-/);
  });

  test('a file in its place, and a folder that cannot be written to, are told by the variable', () => {
    const file = join(temp.path, 'file');
    writeFileSync(file, '');
    expect(() => DataDirectory.open(file)).toThrow(/file cannot be used as MILLRACE_DATA_DIR, a folder to write to: .*EEXIST/);
    expect(() => DataDirectory.open('/proc/self')).toThrow(/\/proc\/self cannot be used as MILLRACE_DATA_DIR, a folder to write to: /);
  });

  test('a place where no folder can be made is told at once, and folders above one are made', () => {
    const unusable = /cannot be used as MILLRACE_DATA_DIR, a folder to write to: .*ENOENT/;
    expect(() => DataDirectory.open('/proc/none')).toThrow(unusable);
    expect(() => DataDirectory.open('/proc/none/deeper')).toThrow(unusable);
    const held = DataDirectory.open(join(temp.path, 'My Däta', 'ファイル'));
    expect(readdirSync(held.folder('a', 'b'))).toEqual([]);
    held.close();
  });

  test('a lock that was cut short by a crash holds nobody up', () => {
    writeFileSync(lock(), '{"pid":');
    const held = DataDirectory.open(temp.path);
    expect(readdirSync(temp.path)).toEqual(['millrace.lock']);
    held.close();
  });
});
