import { afterAll, beforeAll } from '@jest/globals';
import type { EventLog, LogBatch, LogRecord, NewRecord, SubscribeOptions, Subscription } from '../event-log.js';

/** The log a suite runs against. */
export interface EventLogFixture {
  readonly log: EventLog;
  /** Another client of the same log, as another process would have it; the suite closes it. Absent: `log` itself stands in. */
  connect?(): Promise<EventLog>;
  /** A record with a value of this size must be refused. Default 32 MiB. */
  readonly refusedBytes?: number;
  /** Closes `log` and removes what it left behind. */
  release(): Promise<void>;
}

/** Generous, because a loaded machine must not fail a test; a condition that never comes fails it all the same. */
export const PATIENCE_MS = 60_000;

/** What a part of the suite works with. */
export interface ContractTopics {
  log(): EventLog;
  connect(): Promise<EventLog>;
  refusedBytes(): number;
  /** A new topic; four partitions unless told otherwise. */
  topic(partitions?: number): Promise<string>;
  /** Subscribes, to be stopped after the suite at the latest. */
  subscribe(options: SubscribeOptions, log?: EventLog): Promise<Subscription>;
}

export function contractTopics(factory: () => Promise<EventLogFixture>): ContractTopics {
  let fixture: EventLogFixture;
  let count = 0;
  const subscriptions = new Set<Subscription>();
  const clients = new Set<EventLog>();
  const run = Math.random().toString(36).slice(2, 10);
  beforeAll(async () => {
    fixture = await factory();
  }, PATIENCE_MS);
  afterAll(async () => {
    await Promise.all([...subscriptions].map((subscription) => subscription.stop()));
    await Promise.all([...clients].map((client) => client.close()));
    await fixture.release();
  }, PATIENCE_MS);
  return {
    log: () => fixture.log,
    refusedBytes: () => fixture.refusedBytes ?? 32 * 1024 * 1024,
    async connect() {
      if (!fixture.connect) return fixture.log;
      const client = await fixture.connect();
      clients.add(client);
      return client;
    },
    async topic(partitions = 4) {
      const name = `contract.${run}.${++count}`;
      await fixture.log.ensureTopic({ name, partitions, retention: 'forever' });
      return name;
    },
    async subscribe(options, log = fixture.log) {
      const subscription = await log.subscribe(options);
      subscriptions.add(subscription);
      return subscription;
    },
  };
}

/** Resolves when the condition holds. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS - 5_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A subscriber that keeps what it is given. */
export interface Collector {
  readonly batches: LogBatch[];
  readonly records: (partition?: number) => LogRecord[];
  readonly values: (partition?: number) => string[];
  readonly onBatch: (batch: LogBatch) => Promise<void>;
  /** Resolves when this many records have come. */
  readonly has: (count: number) => Promise<void>;
}

export function collector(): Collector {
  const batches: LogBatch[] = [];
  const records = (partition?: number) =>
    batches.filter((batch) => partition === undefined || batch.partition === partition).flatMap((batch) => [...batch.records]);
  return {
    batches,
    records,
    values: (partition) => records(partition).map((record) => record.value.toString()),
    onBatch: (batch) => {
      batches.push(batch);
      return Promise.resolve();
    },
    has: (count) => eventually(() => batches.reduce((sum, batch) => sum + batch.records.length, 0) >= count, `${count} records`),
  };
}

export function text(topic: string, partition: number, value: string): NewRecord {
  return { topic, partition, key: null, value: Buffer.from(value) };
}

/** `count` records `0`, `1`, … of one partition. */
export function numbered(topic: string, partition: number, count: number, first = 0): NewRecord[] {
  return Array.from({ length: count }, (_, index) => text(topic, partition, String(first + index)));
}

export function range(count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, index) => String(first + index));
}

export async function readAll(records: AsyncIterable<LogRecord>): Promise<LogRecord[]> {
  const all: LogRecord[] = [];
  for await (const record of records) all.push(record);
  return all;
}

/** The rejection of a promise, or `undefined` when it resolves. */
export async function failureOf(promise: Promise<unknown>): Promise<{ code?: unknown; retryable?: unknown } | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error as { code?: unknown; retryable?: unknown };
  }
}
