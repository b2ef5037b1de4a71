import { parseJson, type Item, type LogRecord } from '@millrace/event-log';
import { timerScheduler } from '@millrace/event-log/local';
import type { TableProjectionOptions } from './table-projection.js';

/** What the projection's tests project: a number and a text per record. */
export interface Reading {
  readonly n: number;
  readonly text: string;
}

export const READINGS = `CREATE TABLE IF NOT EXISTS millrace.readings
  (_topic LowCardinality(String), _partition UInt32, _offset UInt64, n UInt32, text String)
  ENGINE = ReplacingMergeTree ORDER BY (_topic, _partition, _offset)
  SETTINGS non_replicated_deduplication_window = 1000`;

export const readings: Pick<TableProjectionOptions<Reading>, 'name' | 'topic' | 'table' | 'decode' | 'toRows' | 'scheduler' | 'now'> = {
  name: 'test.readings',
  topic: 'readings',
  table: 'millrace.readings',
  decode: (record: LogRecord) => parseJson(record.value) as ReturnType<TableProjectionOptions<Reading>['decode']>,
  toRows: ({ value }: Item<Reading>) => ({ n: value.n, text: value.text }),
  scheduler: timerScheduler,
  now: () => Date.now(),
};
