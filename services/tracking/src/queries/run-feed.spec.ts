import { describe, expect, test } from '@jest/globals';
import { RunFeed } from './run-feed.js';

const point = (step: number) => ({ key: 'm', value: step, timestamp: 0, step });

describe('RunFeed', () => {
  const timers: (() => void)[] = [];
  const feed = new RunFeed((_, done) => (timers.push(done), () => undefined));
  const open = new AbortController().signal;

  test('tells each listener of a run what came, and nobody of another', async () => {
    const [one, two, other] = [feed.listen('a'), feed.listen('a'), feed.listen('b')];
    const waiting = one.take(open, 1000);
    feed.pointsOf('a', 5, () => [point(1)]);
    feed.stateOf('a');
    feed.stateOf('a');
    expect(await waiting).toEqual([{ kind: 'points', offset: 5, points: [point(1)] }, { kind: 'state' }]);
    expect(await two.take(open, 1000)).toHaveLength(2);
    const nothing = other.take(open, 1000);
    timers.at(-1)?.();
    expect(await nothing).toEqual([]);
    expect(feed.listeners).toBe(3);
    for (const queue of [one, two, other, other]) queue.close();
    expect(feed.listeners).toBe(0);
    feed.pointsOf('a', 6, () => {
      throw new Error('nobody listens');
    });
  });

  test('a listener who does not take them is told that it has to begin again, and holds no more', async () => {
    const queue = feed.listen('a');
    for (let record = 0; record < 30; record++) feed.pointsOf('a', record, () => Array.from({ length: 1000 }, (_, step) => point(step)));
    expect(queue.hasRunOver).toBe(true);
    expect(await queue.take(open, 1000)).toEqual([]);
    queue.close();
  });

  test('a wait ends when it is aborted', async () => {
    const queue = feed.listen('a');
    const gone = new AbortController();
    const waiting = queue.take(gone.signal, 1000);
    gone.abort();
    expect(await waiting).toEqual([]);
    expect(await queue.take(gone.signal, 1000)).toEqual([]);
    queue.close();
  });
});
