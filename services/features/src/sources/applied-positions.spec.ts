import { expect, test } from '@jest/globals';
import type { ViewPlan } from '@millrace/feature-engine';
import { AppliedPositions } from './applied-positions.js';

const plan = (hash: string): ViewPlan => ({ stateHash: Buffer.from(hash) }) as ViewPlan;

/** Waits whose ends are written down, and a clock that is turned by hand. */
function waits() {
  const timers = new Map<number, () => void>();
  let last = 0;
  const scheduler = {
    after: (_milliseconds: number, run: () => void) => {
      const id = ++last;
      timers.set(id, run);
      return () => void timers.delete(id);
    },
  };
  const positions = new AppliedPositions(scheduler);
  const over: string[] = [];
  const wait = (name: string, hash: string, partition: number, offset: number): void =>
    void positions.wait(plan(hash), { topic: 't', partition, offset }, 1000).over.then(() => over.push(name));
  return { positions, timers, over, wait, settle: () => new Promise((resolve) => setImmediate(resolve)) };
}

test('wakes who waits for a position that is applied, and nobody else', async () => {
  const { positions, timers, over, wait, settle } = waits();
  wait('here', 'view-one', 1, 9);
  wait('the same state', 'view-one', 1, 9);
  wait('further on', 'view-one', 1, 10);
  wait('another partition', 'view-one', 0, 9);
  wait('another view', 'view-two', 1, 9);
  positions.applied(plan('view-one'), 1, 9);
  await settle();
  expect(over).toEqual([]);
  positions.applied(plan('view-one'), 1, 10);
  await settle();
  expect(over).toEqual(['here', 'the same state']);
  positions.applied(plan('view-one'), 1, 400);
  await settle();
  expect(over).toEqual(['here', 'the same state', 'further on']);
  expect(timers.size).toBe(2);
});

test('an ended wait leaves nothing behind', async () => {
  const { positions, timers } = waits();
  const { over, end } = positions.wait(plan('view-one'), { topic: 't', partition: 0, offset: 5 }, 1000);
  end();
  await over;
  expect(timers.size).toBe(0);
});

test('wakes after the time, once', async () => {
  const { positions, timers, over, wait, settle } = waits();
  wait('late', 'view-one', 0, 5);
  for (const run of [...timers.values()]) run();
  positions.applied(plan('view-one'), 0, 6);
  await settle();
  expect(over).toEqual(['late']);
  expect(timers.size).toBe(0);
});
