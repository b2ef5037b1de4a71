import { decodeDecision, encodeDecision, type Item, type LogRecord } from '@millrace/event-log';
import type { LoggedDecision } from '@millrace/kernel';
import { describe, expect, test } from '@jest/globals';
import { run, type RunState } from '../domain/run/run.decider.js';
import { RunStatesProjection } from './run-states.projection.js';

const TOPIC = 'millrace.tracking.decisions';

function record(partition: number, offset: number, subject: string, sequence: number): LogRecord {
  const base = { id: `${subject}:${sequence}`, version: 1, subject, sequence, commandId: 'c', actor: 'a', time: 1 };
  const { key, value, headers = {} } = encodeDecision(TOPIC, 'tracking', { ...base, type: 'RunDeleted', data: {} });
  return { topic: TOPIC, partition, offset, key, value, headers, timestamp: 1 };
}

function item(from: LogRecord): Item<LoggedDecision> {
  const decoded = decodeDecision('tracking', from);
  if (!decoded.ok) throw new Error(decoded.reason);
  return { record: from, value: decoded.value };
}

const created: RunState = run.evolve(
  run.initial(),
  {
    type: 'RunCreated',
    data: { runId: 'r', experimentId: '1', name: 'n', userId: 'u', startTime: 1, artifactUri: 'mlflow-artifacts:/1/r/artifacts', tags: {} },
  },
  { subject: 'run/r', sequence: 1, time: 1, actor: 'a' },
);

describe('RunStatesProjection', () => {
  const projection = (waits: (() => void)[] = []) =>
    new RunStatesProjection({
      waitFor: () => new Promise((resolve) => void waits.push(resolve)),
      run: () => ({ sequence: 7, state: created }),
    });

  test('a batch makes one row of each run it changed, at the run’s last record, and none of anything else', async () => {
    const waits: (() => void)[] = [];
    const states = projection(waits);
    const records = [record(0, 1, 'run/a', 1), record(0, 2, 'experiments/catalog', 1), record(0, 3, 'run/b', 1), record(0, 4, 'run/a', 2)];
    const items = records.map(item);
    const prepared = states.prepare({ topic: TOPIC, partition: 0, items, nextOffset: 5, end: 5 });
    waits.forEach((resolve) => resolve());
    await prepared;
    expect(items.filter((one) => states.toRows(one) !== undefined).map((one) => one.record.offset)).toEqual([3, 4]);
    expect(states.toRows(items[3] as Item<LoggedDecision>)).toMatchObject({ run_id: 'r', sequence: 7, deleted: false, params: {} });
  });

  test('batches of several partitions in hand at once do not mix', async () => {
    const waits: (() => void)[] = [];
    const states = projection(waits);
    const one = [item(record(0, 1, 'run/a', 1))];
    const other = [item(record(1, 2, 'run/b', 1))];
    const prepared = [one, other].map((items, partition) => states.prepare({ topic: TOPIC, partition, items, nextOffset: 3, end: 3 }));
    waits.forEach((resolve) => resolve());
    await Promise.all(prepared);
    expect([one, other].map(([only]) => states.toRows(only as Item<LoggedDecision>) !== undefined)).toEqual([true, true]);
  });
});
