import { expect, test } from '@jest/globals';
import { OpenLineageReactor, type Delivered } from './open-lineage.reactor.js';

/** Lets every step that waits for nothing but other steps come to its end. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a receiver that fails now and then is tried again as soon as the first time', async () => {
  const pauses: number[] = [];
  const due: (() => void)[] = [];
  const sent: number[] = [];
  let [position, calls] = [0, 0];
  const reactor = new OpenLineageReactor({
    topics: ['decisions'],
    assigned: () => [0],
    position: () => Promise.resolve(position),
    save: (_topic, _partition, next) => Promise.resolve(void (position = next)),
    read: (_topic, _partition, from) => {
      const events = [0, 1, 2, 3, 4, 5, 6, 7, 8].slice(from).map((number) => ({ id: String(number), body: {}, next: number + 1 }));
      return Promise.resolve({ events, next: 9 });
    },
    send: ({ id }) => {
      // Every third call fails.
      const answer: Delivered = ++calls % 3 === 0 ? { kind: 'failed', reason: 'answered 500' } : { kind: 'taken' };
      if (answer.kind === 'taken') sent.push(Number(id));
      return Promise.resolve(answer);
    },
    clock: { now: () => 0 },
    scheduler: {
      after: (milliseconds, action) => {
        pauses.push(milliseconds);
        due.push(action);
        return () => undefined;
      },
    },
    onTrouble: () => undefined,
  });
  reactor.start();
  for (let round = 0; round < 5; round++) {
    due.shift()?.();
    await settled();
  }
  await reactor.stop();
  expect(sent).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(pauses.slice(1, 5)).toEqual([1000, 1000, 1000, 1000]);
});
