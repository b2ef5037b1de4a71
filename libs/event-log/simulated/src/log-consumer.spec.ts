import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  deadLetterOf,
  deadLetterTopic,
  LogConsumer,
  oneByOne,
  parseJson,
  readDeadLetter,
  SKIP,
  DEAD_LETTER,
  OK,
  RETRY,
  type BatchResult,
  type ItemBatch,
  type LogConsumerOptions,
  type LogRecord,
  type Result,
} from '@millrace/event-log';
import { BAD_DAY } from './faults.js';
import { SimulatedBroker } from './simulated-broker.js';
import type { SimulatedEventLog } from './simulated-event-log.js';

const TOPIC = 'orders';
const LETTERS = 'orders.dead-letters';

let broker: SimulatedBroker;
let log: SimulatedEventLog;
let events: string[];

beforeEach(() => {
  broker = new SimulatedBroker({ seed: 3 });
  broker.makeTopic({ name: TOPIC, partitions: 1, retention: 'forever' });
  log = broker.connect();
  events = [];
});

function put(...values: string[]): void {
  broker.arrive(
    TOPIC,
    0,
    values.map((value) => ({ topic: TOPIC, key: 'k', value: Buffer.from(value), headers: { h: value } })),
  );
}

const valueOf = (record: LogRecord) => record.value.toString();
const textOf = (batch: ItemBatch<unknown>) => JSON.stringify(batch.items.map(({ value }) => value));
const letters = () => (broker.topics().includes(LETTERS) ? broker.records(LETTERS, 0).map(readDeadLetter) : []);

function consumer(options: Partial<LogConsumerOptions<unknown>>): LogConsumer<unknown> {
  return new LogConsumer<unknown>({
    log,
    name: 'orders.totals',
    topic: TOPIC,
    from: () => 0,
    decode: (record) => {
      if (valueOf(record) === '"foreign"') return { ok: 'skip', reason: 'not mine' };
      if (valueOf(record) === '"defect"') throw new TypeError('the decoder broke');
      return parseJson(record.value);
    },
    handle: () => Promise.resolve({ kind: 'ok' }),
    observer: {
      handled: (_, batch, items) => events.push(`handled ${items} to ${batch.nextOffset}`),
      deadLettered: (_, { offset }, reason) => events.push(`dead ${offset}: ${reason}`),
      skipped: (_, { offset }, reason) => events.push(`skipped ${offset}: ${reason}`),
      retried: (_, batch, reason, attempt) => events.push(`retry ${attempt}: ${reason}`),
    },
    scheduler: broker.time,
    now: () => broker.time.now(),
    ...options,
  });
}

const until = (condition: () => boolean, what: string) => broker.time.until(condition, what, 100_000);
const handled = (count = 1) => until(() => events.filter((event) => event.startsWith('handled')).length >= count, 'a handled batch');

describe('LogConsumer', () => {
  test('writes a letter once, whoever comes to its record again, and its own where another consumer has one', async () => {
    put('{broken', '1', '{broken too');
    const first = consumer({});
    await started(first);
    await handled();
    await stopped(first);
    expect(letters().map(({ id }) => id)).toEqual(['orders/0@0', 'orders/0@2']);
    events = [];
    put('{another');
    const second = consumer({});
    await started(second);
    await until(() => letters().length >= 3, 'the new letter');
    await stopped(second);
    expect(letters().map(({ id }) => id)).toEqual(['orders/0@0', 'orders/0@2', 'orders/0@3']);
    events = [];
    await started(consumer({ name: 'orders.others' }));
    await until(() => letters().length >= 6, 'its letters');
    expect(
      letters()
        .slice(3)
        .map(({ id, consumer: by }) => [id, by]),
    ).toEqual([0, 2, 3].map((n) => [`orders/0@${n}`, 'orders.others']));
  });

  test('writes a letter of a record where another one was before its topic was made anew', async () => {
    broker.makeTopic(deadLetterTopic(TOPIC));
    const before = { topic: TOPIC, partition: 0, offset: 0, key: 'k', value: Buffer.from('{before'), headers: {}, timestamp: 0 };
    broker.arrive(LETTERS, 0, [deadLetterOf(before, 'orders.totals', { code: 'UNDECODABLE', message: 'no JSON' }, 0)]);
    put('{broken');
    await started(consumer({}));
    await until(() => letters().length === 2, 'its letter');
    expect(letters().map(({ id, record }) => [id, valueOf(record)])).toEqual([
      ['orders/0@0', '{before'],
      ['orders/0@0', '{broken'],
    ]);
  });

  test('puts aside what it cannot decode, with bytes and reason, skips what is not its own, and hands over the rest in order', async () => {
    put('1', '{broken', '"foreign"', '"defect"', '2');
    const batches: string[] = [];
    await started(consumer({ handle: async (batch) => (batches.push(textOf(batch)), { kind: 'ok' }) }));
    await handled();
    expect(batches).toEqual(['[1,2]']);
    expect(events).toEqual([
      expect.stringMatching(/^dead 1: UNDECODABLE: the value is not JSON/),
      'skipped 2: not mine',
      'dead 3: UNDECODABLE: the decoder failed: the decoder broke',
      'handled 2 to 5',
    ]);
    expect(letters()).toMatchObject([
      { id: 'orders/0@1', consumer: 'orders.totals', code: 'UNDECODABLE', record: { key: 'k', headers: { h: '{broken' } } },
      { id: 'orders/0@3', reason: 'the decoder failed: the decoder broke' },
    ]);
    expect(letters().map(({ record }) => valueOf(record))).toEqual(['{broken', '"defect"']);
  });

  test('gives the same batch again when it must be retried, and when the handler throws', async () => {
    put('1', '2');
    const results: (() => BatchResult)[] = [
      () => ({ kind: 'retry', reason: 'store down', afterMs: 10 }),
      () => {
        throw new RangeError('a defect');
      },
      () => ({ kind: 'ok' }),
    ];
    const batches: string[] = [];
    await started(consumer({ handle: async (batch) => (batches.push(textOf(batch)), results.shift()!()) }));
    await handled();
    expect(batches).toEqual(['[1,2]', '[1,2]', '[1,2]']);
    expect(events).toEqual(['retry 1: store down', 'retry 2: a defect', 'handled 2 to 2']);
  });

  test('puts aside the one record that is refused and gives the rest again', async () => {
    put('1', '2', '3');
    const batches: string[] = [];
    const refuse = (value: number, kind: 'dead-letter' | 'skip') => (batch: ItemBatch<unknown>) => {
      const item = batch.items.find((one) => one.value === value);
      // A copy: records are told apart by where they are.
      return item ? ({ kind, reason: `no ${value}`, record: { ...item.record } } as const) : undefined;
    };
    await started(
      consumer({
        handle: async (batch) => {
          batches.push(textOf(batch));
          return refuse(2, 'dead-letter')(batch) ?? refuse(3, 'skip')(batch) ?? { kind: 'ok' };
        },
      }),
    );
    await handled();
    expect(batches).toEqual(['[1,2,3]', '[1,3]', '[1]']);
    expect(events).toEqual(['dead 1: REFUSED: no 2', 'skipped 2: no 3', 'handled 1 to 3']);
    expect(letters()).toMatchObject([{ id: 'orders/0@1', code: 'REFUSED', reason: 'no 2' }]);
  });

  test('holds up, visibly, a handler that gives up a record it was not given', async () => {
    put('1');
    const record = { topic: TOPIC, partition: 0, offset: 77, key: null, value: Buffer.alloc(0), headers: {}, timestamp: 0 };
    const one = consumer({ handle: () => Promise.resolve({ kind: 'dead-letter', reason: 'x', record }) });
    await started(one);
    await until(() => events.length === 3, 'three retries');
    expect(events[2]).toMatch(/retry 3: the handler gave up offset 77/);
    expect(letters()).toEqual([]);
    await stopped(one);
  });

  test('does not move past a bad record until its letter is durable', async () => {
    broker.faults = { ...BAD_DAY, appendLost: 0.7, redelivered: 0 };
    put('1', '{broken', '2');
    const batches: string[] = [];
    const handle = async (batch: ItemBatch<unknown>) => {
      expect(letters().length).toBeGreaterThan(0);
      batches.push(textOf(batch));
      return { kind: 'ok' } as const;
    };
    await started(consumer({ handle, maxBatchRecords: 10 }));
    await handled();
    expect(new Set(letters().map(({ id }) => id))).toEqual(new Set(['orders/0@1']));
    expect(batches).toEqual(['[1,2]']);
  });

  test('leaves the letters to another reader when told so', async () => {
    put('{broken', '1');
    await started(consumer({ writesDeadLetters: false }));
    await handled();
    expect(events[0]).toMatch(/^dead 0/);
    expect(broker.topics()).toEqual([TOPIC]);
  });

  test('keeps the letters of what it refuses itself, whoever keeps the others', async () => {
    put('{broken', '1');
    const refuse = async ({ items: [item] }: ItemBatch<unknown>): Promise<BatchResult> =>
      item ? { kind: 'dead-letter', reason: 'not here', record: item.record } : { kind: 'ok' };
    await started(consumer({ writesDeadLetters: false, handle: refuse }));
    await handled();
    expect(letters()).toMatchObject([{ id: 'orders/0@1', code: 'REFUSED', reason: 'not here' }]);
  });

  test('stops without waiting for the pause before a retry; the batch comes again after the next start', async () => {
    put('1');
    const one = consumer({ handle: () => Promise.resolve({ kind: 'retry', reason: 'not today', afterMs: 3_600_000 }) });
    await started(one);
    await until(() => events.length === 1, 'the first try');
    const before = broker.time.now();
    await stopped(one);
    expect(broker.time.now() - before).toBeLessThan(1_000);
    await started(consumer({}));
    await handled();
    expect(events.at(-1)).toBe('handled 1 to 1');
  });
});

describe('oneByOne', () => {
  test('handles records in order, and those that are done not again', async () => {
    put('1', '2', '3', '4');
    const calls: unknown[] = [];
    const script = new Map<unknown, Result[]>([
      [2, [RETRY('busy', 5), OK]],
      [3, [DEAD_LETTER('never')]],
      [4, [SKIP('not mine')]],
    ]);
    const handle = oneByOne<unknown>(async ({ value }) => {
      calls.push(value);
      return script.get(value)?.shift() ?? OK;
    });
    await started(consumer({ handle }));
    await handled();
    expect(calls).toEqual([1, 2, 2, 3, 4]);
    expect(events).toEqual(['retry 1: busy', 'dead 2: REFUSED: never', 'skipped 3: not mine', 'handled 2 to 4']);
  });
});

/** On virtual time nothing resolves by waiting for it alone. */
async function started(one: LogConsumer<unknown>): Promise<void> {
  await passes(one.start());
}

async function stopped(one: LogConsumer<unknown>): Promise<void> {
  await passes(one.stop());
}

async function passes(promise: Promise<void>): Promise<void> {
  let isDone = false;
  void promise.then(() => (isDone = true));
  broker.time.after(100, () => undefined);
  await until(() => isDone, 'it to be done');
}
