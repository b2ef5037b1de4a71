import { expect, test } from '@jest/globals';
import { Fault, type Scheduler } from '@millrace/kernel';
import { FactBuffer } from './fact-buffer.js';

/** A log that is away until it is told to be there, and a clock that waits for nobody. */
function scene(capacity: number) {
  const appended: number[][] = [];
  const state = { isAway: true, shed: 0, retried: 0 };
  const scheduler: Scheduler = { after: (_milliseconds, run) => (setImmediate(run), () => undefined) };
  const buffer = new FactBuffer<number>({
    append: (facts) => {
      if (state.isAway) return Promise.reject(new Error('away'));
      appended.push([...facts]);
      return Promise.resolve();
    },
    capacity,
    maxBatch: 2,
    scheduler,
    observer: { shed: (count) => (state.shed += count), retried: () => state.retried++ },
  });
  return { buffer, state, appended };
}

test('while the log is away facts are kept up to the capacity, what comes beyond is shed and counted, and the log gets the others in order', async () => {
  const { buffer, state, appended } = scene(3);
  for (const fact of [1, 2, 3]) {
    expect(buffer.hasRoom).toBe(true);
    buffer.add(fact);
  }
  expect(buffer.hasRoom).toBe(false);
  buffer.add(4);
  expect(state.shed).toBe(1);
  while (state.retried < 2) await new Promise((resolve) => setImmediate(resolve));
  state.isAway = false;
  await buffer.flushed();
  expect(appended).toEqual([[1, 2], [3]]);
  expect(buffer.hasRoom).toBe(true);
});

test('facts gather for one append, until there are enough or somebody waits', async () => {
  const timers: (() => void)[] = [];
  const appended: number[][] = [];
  const buffer = new FactBuffer<number>({
    append: (facts) => Promise.resolve(appended.push([...facts])),
    ...{ capacity: 10, maxBatch: 3, gatherMs: 10, observer: { shed: () => undefined, retried: () => undefined } },
    scheduler: { after: (_milliseconds, run) => (timers.push(run), () => undefined) },
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  buffer.add(1);
  buffer.add(2);
  await turn();
  expect(appended).toEqual([]);
  timers[0]?.();
  await turn();
  expect(appended).toEqual([[1, 2]]);
  for (const fact of [3, 4, 5]) buffer.add(fact);
  await turn();
  expect(appended).toEqual([
    [1, 2],
    [3, 4, 5],
  ]);
  buffer.add(6);
  await buffer.flushed();
  expect(appended.at(-1)).toEqual([6]);
});

test('closing tries once more and sheds what the log does not take', async () => {
  const { buffer, state } = scene(10);
  buffer.add(1);
  buffer.add(2);
  await buffer.close();
  expect(state.shed).toBe(2);
  expect(buffer.hasRoom).toBe(false);
});

test('what is too large for the log is shed alone, and keeps nothing else from it', async () => {
  const appended: number[] = [];
  let shed = 0;
  const buffer = new FactBuffer<number>({
    append: (facts) => {
      if (facts.includes(13)) return Promise.reject(new Fault('MR_RECORD_TOO_LARGE', 'too large', false));
      appended.push(...facts);
      return Promise.resolve();
    },
    ...{ capacity: 10, maxBatch: 3, observer: { shed: (count: number) => void (shed += count), retried: () => undefined } },
    scheduler: { after: (_milliseconds, run) => (setImmediate(run), () => undefined) },
  });
  for (const fact of [1, 13, 2, 3, 13, 4]) buffer.add(fact);
  await buffer.flushed();
  expect([appended, shed, buffer.size]).toEqual([[1, 2, 3, 4], 2, 0]);
});

test('facts that stand for many count for as many, in what is held, in a batch and in what is shed', async () => {
  const appended: number[][] = [];
  const state = { isAway: true, shed: 0 };
  const buffer = new FactBuffer<number>({
    append: (facts) => (state.isAway ? Promise.reject(new Error('away')) : Promise.resolve(void appended.push([...facts]))),
    ...{ capacity: 10, maxBatch: 5, weigh: (fact: number) => fact },
    observer: { shed: (count) => (state.shed += count), retried: () => undefined },
    scheduler: { after: (_milliseconds, run) => (setImmediate(run), () => undefined) },
  });
  for (const fact of [2, 2, 3, 4, 7]) buffer.add(fact);
  expect([buffer.size, buffer.hasRoom, state.shed]).toEqual([11, false, 7]);
  state.isAway = false;
  await buffer.flushed();
  expect([appended, buffer.size]).toEqual([[[2, 2, 3], [4]], 0]);
});

test('what the log may have taken although it failed is told as that, and what it refused is not', async () => {
  const appended: string[][] = [];
  const failures = [new Fault('MR_LOG_UNAVAILABLE', 'away', true, { isRefusal: true }), new Fault('MR_LOG_UNAVAILABLE', 'no answer', true)];
  const buffer = new FactBuffer<string>({
    append: (facts) => {
      appended.push([...facts]);
      const failure = failures.shift();
      return failure ? Promise.reject(failure) : Promise.resolve();
    },
    again: (fact) => `${fact} again`,
    ...{ capacity: 10, maxBatch: 2, observer: { shed: () => undefined, retried: () => undefined } },
    scheduler: { after: (_milliseconds, run) => (setImmediate(run), () => undefined) },
  });
  for (const fact of ['a', 'b', 'c']) buffer.add(fact);
  await buffer.flushed();
  expect(appended).toEqual([['a', 'b'], ['a', 'b'], ['a again', 'b again'], ['c']]);
});
