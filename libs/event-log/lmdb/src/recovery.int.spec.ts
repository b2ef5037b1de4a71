import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { reserveOf } from './disk-room.js';
import { LmdbEventLog } from './lmdb-event-log.js';

const SOURCES = fileURLToPath(new URL('../../../../tools/run-sources.mjs', import.meta.url));
const LIVES = 8;

/** The command that runs one of this folder's processes from its source. */
function processOf(script: string, ...args: string[]): string[] {
  return [process.execPath, '--conditions=source', '--import', SOURCES, fileURLToPath(new URL(script, import.meta.url)), ...args];
}

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-log-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Runs the appending process until it has acknowledged `enough` records, kills it with SIGKILL and returns what it acknowledged. */
async function lifeOf(path: string, life: string, enough: number): Promise<Map<string, string>> {
  const [node = '', ...args] = processOf('append-until-killed.ts', path, life);
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
    if (out.split('\n').length > enough) child.kill('SIGKILL');
  });
  const signal = await new Promise((resolve) => child.on('close', (_, by) => resolve(by)));
  expect({ signal, errors: signal === 'SIGKILL' ? '' : errors }).toEqual({ signal: 'SIGKILL', errors: '' });
  // A last line without its end was cut off by the kill.
  const lines = out.slice(0, out.lastIndexOf('\n')).split('\n');
  return new Map(lines.map((line) => line.split(' ') as [string, string]));
}

/** Every acknowledged record is where it was said to be, once, and offsets are dense. */
async function expectAll(log: LmdbEventLog, acknowledged: ReadonlyMap<string, string>): Promise<void> {
  const ends = await log.end('facts');
  const values: string[] = [];
  for (let partition = 0; partition < 3; partition++) {
    let next = 0;
    for await (const record of log.read('facts', partition, 0)) {
      expect(record.offset).toBe(next++);
      const wanted = acknowledged.get(`${partition}@${record.offset}`);
      if (wanted === undefined) continue;
      expect(record.value.toString()).toBe(wanted);
      values.push(wanted);
    }
    expect(next).toBe(ends[partition]);
  }
  expect(values.length).toBe(acknowledged.size);
  expect(new Set(values).size).toBe(acknowledged.size);
}

describe('LmdbEventLog after kill -9', () => {
  test('holds everything it acknowledged, dense and unchanged, and goes on', async () => {
    const path = join(directory, 'log.mdb');
    const acknowledged = new Map<string, string>();
    for (let life = 0; life < LIVES; life++) {
      for (const [position, value] of await lifeOf(path, String(life), 50 + life * 97)) {
        expect(acknowledged.has(position)).toBe(false);
        acknowledged.set(position, value);
      }
    }
    const log = await LmdbEventLog.open({ path });
    await expectAll(log, acknowledged);
    const [end] = await log.end('facts');
    const [position] = await log.append([{ topic: 'facts', key: null, partition: 0, value: Buffer.from('alive') }]);
    expect(position?.offset).toBe(end);
    await log.close();
  }, 120_000);

  test('holds what two processes wrote at the same time, although one was killed beneath the other', async () => {
    const path = join(directory, 'log.mdb');
    const acknowledged = new Map<string, string>();
    for (let life = 0; life < 3; life++) {
      const lives = await Promise.all([lifeOf(path, `${life}a`, 100 + life * 200), lifeOf(path, `${life}b`, 600)]);
      for (const [position, value] of lives.flatMap((each) => [...each])) {
        expect(acknowledged.has(position)).toBe(false);
        acknowledged.set(position, value);
      }
    }
    const log = await LmdbEventLog.open({ path });
    await expectAll(log, acknowledged);
    await log.close();
  }, 120_000);
});

describe('LmdbEventLog on a full disk', () => {
  test('refuses before the last room is taken, says so when asked how it is, and still reads', async () => {
    const path = join(directory, 'log.mdb');
    const record = { topic: 'facts', key: null, value: Buffer.from('x') };
    const before = await LmdbEventLog.open({ path });
    await before.ensureTopic({ name: 'facts', partitions: 1, retention: 'forever' });
    await before.append([record]);
    await before.ping();
    await before.close();
    const log = await LmdbEventLog.open({ path, reserveBytes: Number.MAX_SAFE_INTEGER });
    await expect(log.append([record])).rejects.toMatchObject({
      code: 'MR_LOG_DISK_FULL',
      retryable: true,
      isRefusal: true,
      message: expect.stringMatching(/the disk of .* is full: \d+ MiB are left, and \d+ MiB have to stay free; make room/),
    });
    await expect(log.ping()).rejects.toMatchObject({ code: 'MR_LOG_DISK_FULL' });
    expect(await log.end('facts')).toEqual([1]);
    for await (const found of log.read('facts', 0, 0)) expect(found.value.toString()).toBe('x');
    await log.close();
  });

  test('keeps a twentieth of the disk free, within bounds', () => {
    const mib = 1024 ** 2;
    expect([100, 1000, 100_000].map((size) => reserveOf(size * mib) / mib)).toEqual([16, 50, 256]);
  });

  test('refuses what it cannot write, still reads, and takes more when there is room', async () => {
    const path = join(directory, 'log.mdb');
    // A limit on the file's size stands for the end of the disk: the kernel refuses the write all the same.
    const limited = ['-c', 'ulimit -f 6000; exec "$@"', 'sh', ...processOf('append-until-full.ts', path)];
    const { stdout } = await promisify(execFile)('sh', limited);
    const report = JSON.parse(stdout) as { appended: number; codes: string[]; read: number };
    expect(report.appended).toBeGreaterThan(5);
    expect(report).toMatchObject({ codes: ['MR_LOG_WRITE_FAILED', 'MR_LOG_WRITE_FAILED'], read: report.appended });
    const log = await LmdbEventLog.open({ path });
    const [position] = await log.append([{ topic: 'facts', key: null, value: Buffer.alloc(5_000_000) }]);
    expect(position?.offset).toBe(report.appended);
    await log.close();
  }, 60_000);
});
