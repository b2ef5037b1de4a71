import { expect, test } from '@jest/globals';
import { LazyCheckpoints, type StoredCheckpoints } from './checkpoints.js';

/** A store of one consumer's checkpoints that can be out of order, and a scheduler whose time is turned by hand. */
function setUp() {
  const stored = new Map<number, number>();
  const timers: (() => void)[] = [];
  let isDown = false;
  const store: Pick<StoredCheckpoints, 'next' | 'save'> = {
    next: (_consumer, _topic, partition) => Promise.resolve(stored.get(partition) ?? 0),
    save: (_consumer, _topic, partition, next) => {
      if (isDown) return Promise.reject(new Error('the store is down'));
      stored.set(partition, next);
      return Promise.resolve();
    },
  };
  const scheduler = { after: (_: number, run: () => void) => (timers.push(run), () => void timers.splice(timers.indexOf(run), 1)) };
  const lazy = new LazyCheckpoints(store as StoredCheckpoints, scheduler, 'reader', 'topic');
  return { stored, timers, lazy, down: (value: boolean) => (isDown = value) };
}

test('stores the last place of each partition, once, a moment later', async () => {
  const { stored, timers, lazy } = setUp();
  for (const next of [1, 2, 3]) lazy.passed(0, next);
  lazy.passed(1, 7);
  expect([stored.size, timers.length, await lazy.next(0), await lazy.next(2)]).toEqual([0, 1, 3, 0]);
  timers[0]!();
  await lazy.flush();
  expect([...stored]).toEqual([
    [0, 3],
    [1, 7],
  ]);
  expect(await lazy.next(0)).toBe(3);
});

test('keeps a place that could not be stored, unless a later one came', async () => {
  const { stored, lazy, down } = setUp();
  lazy.passed(0, 1);
  lazy.passed(1, 1);
  down(true);
  const failing = lazy.flush();
  lazy.passed(1, 5);
  await expect(failing).rejects.toThrow('the store is down');
  down(false);
  await lazy.flush();
  expect([...stored]).toEqual([
    [1, 5],
    [0, 1],
  ]);
});
