import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LmdbEventLog } from './lmdb-event-log.js';

const CHILD = fileURLToPath(new URL('append-until-killed.ts', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../../../tools/run-sources.mjs', import.meta.url));
const LIVES = 8;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-log-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Runs the appending process until it has acknowledged `enough` records, kills it with SIGKILL and returns what it acknowledged. */
async function lifeOf(path: string, life: string, enough: number): Promise<Map<string, string>> {
  const child = spawn(process.execPath, ['--conditions=source', '--import', SOURCES, CHILD, path, life], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
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
    const ends = await log.end('facts');
    let found = 0;
    const values = new Set<string>();
    for (let partition = 0; partition < 3; partition++) {
      let next = 0;
      for await (const record of log.read('facts', partition, 0)) {
        expect(record.offset).toBe(next++);
        const wanted = acknowledged.get(`${partition}@${record.offset}`);
        if (wanted === undefined) continue;
        expect(record.value.toString()).toBe(wanted);
        values.add(wanted);
        found++;
      }
      expect(next).toBe(ends[partition]);
    }
    expect(found).toBe(acknowledged.size);
    expect(values.size).toBe(acknowledged.size);
    const [position] = await log.append([{ topic: 'facts', key: null, partition: 0, value: Buffer.from('alive') }]);
    expect(position?.offset).toBe(ends[0]);
    await log.close();
  }, 120_000);
});
