import { describe, expect, test } from '@jest/globals';
import { GatheredReads, type Values } from './gathered-reads.js';

const TIMEOUT_MS = 10_000;
const BRIDGE_MS = 1_000;

/** Reads under a clock that the test moves, with requests that the test answers. */
function harness() {
  let time = 0;
  let timers: { readonly at: number; readonly run: () => void }[] = [];
  const asked: { readonly keys: string[]; answer: () => void; fail: (error: Error) => void }[] = [];
  const reads = new GatheredReads({
    ask: (keys) =>
      new Promise<Values>((resolve, reject) => {
        asked.push({ keys: keys.map(String), answer: () => resolve(keys), fail: reject });
      }),
    failure: (cause) => cause as Error,
    late: (cause) => new Error(`late: ${(cause as Error).message}`),
    timeoutMs: TIMEOUT_MS,
    bridgeMs: BRIDGE_MS,
    maxWaiting: 3,
    now: () => time,
    scheduler: {
      after: (milliseconds, run) => {
        const timer = { at: time + milliseconds, run };
        timers.push(timer);
        return () => (timers = timers.filter((other) => other !== timer));
      },
    },
  });
  /** What the read came to: its value, why it failed, or that it waits. */
  const read = (key: string, withinMs?: number) => {
    const told = { of: 'waits' };
    reads.read([Buffer.from(key)], withinMs).then(
      (values) => (told.of = String(values[0])),
      (error: Error) => (told.of = error.message),
    );
    return told;
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const pass = async (milliseconds: number) => {
    time += milliseconds;
    for (const timer of timers.filter(({ at }) => at <= time)) {
      timers = timers.filter((other) => other !== timer);
      timer.run();
    }
    await turn();
  };
  return { reads, asked, read, turn, pass };
}

describe('a lost connection', () => {
  test('is bridged for a moment: what was under way and what comes meanwhile is asked when there is another', async () => {
    const { reads, asked, read, turn, pass } = harness();
    const before = read('a');
    reads.lost(new Error('gone'));
    asked[0]?.fail(new Error('gone'));
    const meanwhile = read('b');
    await pass(BRIDGE_MS - 1);
    expect([before.of, meanwhile.of]).toEqual(['waits', 'waits']);
    expect(asked).toHaveLength(1);
    reads.found();
    expect(asked[1]?.keys.sort()).toEqual(['a', 'b']);
    asked[1]?.answer();
    await turn();
    expect([before.of, meanwhile.of].sort()).toEqual(['a', 'b']);
  });

  test('that lasts refuses who waits, and then everybody at once, until there is a connection', async () => {
    const { reads, asked, read, turn, pass } = harness();
    reads.lost(new Error('gone'));
    const waiting = read('a');
    await pass(BRIDGE_MS - 1);
    reads.lost(new Error('refused'));
    await pass(1);
    expect(waiting.of).toBe('refused');
    const later = read('b');
    await turn();
    expect(later.of).toBe('refused');
    expect(asked).toHaveLength(0);
    reads.found();
    const after = read('c');
    asked[0]?.answer();
    await turn();
    expect(after.of).toBe('c');
  });

  test('lets no more reads wait than there is room for', async () => {
    const { reads, read, turn } = harness();
    reads.lost(new Error('gone'));
    const told = ['a', 'b', 'c', 'd'].map((key) => read(key));
    await turn();
    expect(told.map(({ of }) => of)).toEqual(['waits', 'waits', 'waits', 'gone']);
    reads.close();
    await turn();
    expect(told.map(({ of }) => of)).toEqual(['gone', 'gone', 'gone', 'gone']);
  });
});

describe('a connection that gives no answer', () => {
  test('is waited for once; then reads are refused at once until it answers', async () => {
    const { asked, read, turn, pass } = harness();
    const first = read('a');
    await pass(TIMEOUT_MS - 1);
    const second = read('b');
    await turn();
    expect([first.of, second.of]).toEqual(['waits', 'waits']);
    await pass(1);
    expect([first.of, second.of]).toEqual([expect.stringContaining('answered nothing'), expect.stringContaining('answered nothing')]);
    const third = read('c');
    await turn();
    expect(third.of).toContain('answered nothing');
    expect(asked).toHaveLength(2);
    asked[0]?.answer();
    await turn();
    const fourth = read('d');
    await turn();
    asked[2]?.answer();
    await turn();
    expect(fourth.of).toBe('d');
  });

  test('holds nobody beyond the time that is left to them, and others longer', async () => {
    const { read, asked, turn, pass } = harness();
    const patient = read('a');
    const hurried = read('b', 50);
    await pass(50);
    expect([patient.of, hurried.of]).toEqual(['waits', 'late: no answer yet']);
    asked.forEach(({ answer }) => answer());
    await turn();
    expect([patient.of, hurried.of]).toEqual(['a', 'late: no answer yet']);
  });
});
