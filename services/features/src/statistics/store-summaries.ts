import { quoteString, type OfflineStore } from '@millrace/offline-store';
import type { StatisticsKind } from './read-statistics.js';
import { summarySql } from './summary-sql.js';

/** What statistics are of, and by which definition. */
export interface StatisticsSubject {
  readonly of: StatisticsKind;
  readonly name: string;
  readonly definition: string;
}

const VALUES =
  'nulls, not_found, outside_max_age, distinct, least, greatest, numbers, mean, squares, buckets, bucket_counts, texts, text_counts';
const DEADLINE_MS = 600_000;

/**
 * Computes summaries of `rows` (as {@link summarySql} takes them) and puts them into `millrace.statistics`. `until` and `population` are SQL over a summary's hour, partition,
 * segment and rows.
 */
export async function storeSummaries(
  store: OfflineStore,
  { of, name, definition }: StatisticsSubject,
  rows: string,
  { until, population }: { readonly until: string; readonly population: string },
): Promise<void> {
  await store.command(
    `INSERT INTO millrace.statistics (of, name, definition, column, hour, partition, segment, until, population, rows, ${VALUES})
     SELECT ${[of, name, definition].map(quoteString).join(', ')}, column, hour, partition, segment, ${until}, ${population}, rows, ${VALUES}
     FROM (${summarySql(rows)})`,
    undefined,
    { deadlineMs: DEADLINE_MS },
  );
}
