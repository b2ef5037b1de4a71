import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QueuedPrediction } from '../core/prediction-queue.js';
import { checkQueue, queuedPrediction, refusedPrediction } from '../testing/check-queue.js';
import { FileQueue } from './file-queue.js';

describe('a queue in a directory', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'edge-queue-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const open = (limit = 1000, segment = 3): Promise<FileQueue> => FileQueue.open({ directory, limit, segment, now: () => 0 });
  const ids = (predictions: readonly QueuedPrediction[]): string[] => predictions.map(({ id }) => id);

  test('keeps what every queue keeps', async () => {
    expect(await checkQueue((limit) => open(limit))).toEqual([]);
  });

  test('is as it was after a crash, and a line that was half written is gone', async () => {
    const queue = await open();
    for (let index = 0; index < 8; index++) await queue.add(queuedPrediction(index));
    await queue.settle({ sent: ['prediction-0', 'prediction-1', 'prediction-2', 'prediction-4'], refused: [] });
    // No close: the process is gone. Its lock names a process that is dead.
    await rm(join(directory, 'lock'));
    await appendFile(join(directory, 'predictions-000000000006.jsonl'), '{"id":"torn","ti');
    const again = await open();
    expect(again.device).toBe(queue.device);
    expect(ids(await again.oldest(10))).toEqual(['prediction-3', 'prediction-5', 'prediction-6', 'prediction-7']);
    await again.add(queuedPrediction(8));
    expect(ids(await again.oldest(10)).at(-1)).toBe('prediction-8');
    expect(await again.counts()).toEqual({ waiting: 5, sent: 4, dropped: 0, refused: 0 });
    await again.close();
  });

  test('removes files whose predictions are all done, and goes on after the last number', async () => {
    const queue = await open();
    for (let index = 0; index < 7; index++) await queue.add(queuedPrediction(index));
    await queue.settle({ sent: Array.from({ length: 7 }, (_, index) => `prediction-${index}`), refused: [] });
    expect((await readdir(directory)).filter((name) => name.startsWith('predictions'))).toEqual(['predictions-000000000006.jsonl']);
    await queue.close();
    await rm(join(directory, 'predictions-000000000006.jsonl'));
    const again = await open();
    await again.add(queuedPrediction(7));
    expect(ids(await again.oldest(10))).toEqual(['prediction-7']);
    await again.close();
    const third = await open();
    expect(ids(await third.oldest(10))).toEqual(['prediction-7']);
    await third.close();
  });

  test('goes on after a disk that was full: what was half written then is gone, and nothing else', async () => {
    // A process of its own: none of its files may grow beyond the middle of the fourth line for a while, and the test runner's may.
    const script = `
      import { execFileSync } from 'node:child_process';
      import { readFileSync } from 'node:fs';
      import { registerHooks } from 'node:module';
      registerHooks({ resolve: (name, context, next) => next(name.startsWith('.') ? name.replace(/\\.js$/, '.ts') : name, context) });
      const { FileQueue } = await import(${JSON.stringify(new URL('file-queue.ts', import.meta.url).href)});
      const directory = ${JSON.stringify(directory)};
      const prediction = (index) => ({ ...${JSON.stringify(queuedPrediction(0))}, id: 'prediction-' + index });
      const limit = (bytes) => execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=' + bytes + ':']);
      const queue = await FileQueue.open({ directory, limit: 1000, segment: 10, now: () => 0 });
      for (let index = 0; index < 3; index++) await queue.add(prediction(index));
      limit(readFileSync(directory + '/predictions-000000000000.jsonl').length + 20);
      const code = await queue.add(prediction(3)).then(() => 'none', (error) => error.code);
      limit('unlimited');
      await queue.add(prediction(4));
      console.log(JSON.stringify([code, ...(await queue.oldest(10)).map(({ id }) => id)]));
      await queue.close();`;
    const told = execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], { encoding: 'utf8' });
    const kept = ['prediction-0', 'prediction-1', 'prediction-2', 'prediction-4'];
    expect(JSON.parse(told)).toEqual(['EFBIG', ...kept]);
    const again = await open(1000, 10);
    expect(ids(await again.oldest(10))).toEqual(kept);
    await again.close();
  });

  test('passes a line that the disk has spoilt, which counts as dropped, once', async () => {
    const queue = await open(1000, 10);
    for (let index = 0; index < 4; index++) await queue.add(queuedPrediction(index));
    await queue.close();
    const file = join(directory, 'predictions-000000000000.jsonl');
    const lines = (await readFile(file, 'utf8')).split('\n');
    lines[1] = '\u0000\u0000{"id"';
    await writeFile(file, lines.join('\n'));
    for (let opened = 0; opened < 2; opened++) {
      const again = await open(1000, 10);
      expect(ids(await again.oldest(10))).toEqual(['prediction-0', 'prediction-2', 'prediction-3']);
      expect(await again.counts()).toEqual({ waiting: 3, sent: 0, dropped: 1, refused: 0 });
      await again.close();
    }
  });

  test.each(['', '{"device":', '[]', '{}'])(
    'begins its place anew where place.json is %j, and sends again what it cannot know of',
    async (spoilt) => {
      const queue = await open(1000, 10);
      for (let index = 0; index < 3; index++) await queue.add(queuedPrediction(index));
      await queue.settle({ sent: ['prediction-0'], refused: [] });
      await queue.close();
      await writeFile(join(directory, 'place.json'), spoilt);
      const again = await open(1000, 10);
      expect(ids(await again.oldest(10))).toEqual(['prediction-0', 'prediction-1', 'prediction-2']);
      expect(again.device).toMatch(/.{8,}/);
      await again.close();
    },
  );

  test('keeps what was refused whole through a crash in the middle of it, and each once when it is sent again', async () => {
    const queue = await open();
    for (let index = 0; index < 3; index++) await queue.add(queuedPrediction(index));
    await queue.settle({ sent: [], refused: [refusedPrediction(0)] });
    await queue.close();
    // Put aside, and the process was gone before it was done; an earlier runner kept the reason alone.
    const line = (one: object): string => `${JSON.stringify(one)}\n`;
    const file = join(directory, 'refused.jsonl');
    await appendFile(file, `${line({ id: 'old', reason: 'no' })}${line(refusedPrediction(1))}{"id":"torn`);
    const again = await open();
    expect(await again.counts()).toEqual({ waiting: 2, sent: 0, dropped: 0, refused: 1 });
    await again.settle({ sent: [], refused: [refusedPrediction(1)] });
    expect(await again.retryRefused()).toBe(2);
    expect(ids(await again.oldest(10))).toEqual(['prediction-2', 'prediction-0', 'prediction-1']);
    expect(await again.counts()).toEqual({ waiting: 3, sent: 0, dropped: 0, refused: 0 });
    expect(await readFile(file, 'utf8')).toBe(line({ id: 'old', reason: 'no' }));
    await again.close();
  });

  test('is of one process at a time', async () => {
    const queue = await open();
    await expect(open()).resolves.toBeInstanceOf(FileQueue);
    await rm(join(directory, 'lock'), { force: true });
    await appendFile(join(directory, 'lock'), String(process.ppid));
    await expect(open()).rejects.toThrow(`is used by process ${process.ppid}; give each process its own with --queue`);
    await queue.close();
  });

  test('puts aside what was refused, whole and with the reason, the newest of as many as may wait; the others count as dropped', async () => {
    const queue = await open(100, 50);
    for (let round = 0; round < 2; round++) {
      const indexes = Array.from({ length: 60 }, (_, index) => 60 * round + index);
      for (const index of indexes) await queue.add(queuedPrediction(index));
      await queue.settle({ sent: [], refused: indexes.map((index) => refusedPrediction(index, 'time must be whole')) });
    }
    const lines = (await readFile(join(directory, 'refused.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      Array.from({ length: 100 }, (_, index) => refusedPrediction(20 + index, 'time must be whole')),
    );
    expect(await queue.counts()).toEqual({ waiting: 0, sent: 0, dropped: 20, refused: 100 });
    await queue.close();
  });
});
