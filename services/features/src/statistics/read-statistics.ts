import type { OfflineStore } from '@millrace/offline-store';
import { histogramOf, quantilesOf, type Histogram } from './histogram.js';
import type { StatisticsSubject } from './store-summaries.js';
import { mergedSql, type MergedRow } from './summary-sql.js';

/** What statistics are of, in the words of the table. */
export type StatisticsKind = 'source' | 'served' | 'events';

/** A column or feature as it is stored, and what to call it. */
export interface StatisticsColumn {
  readonly column: string;
  /** Times have a least and a greatest value, and no distribution. */
  readonly isTime: boolean;
  readonly label: string;
}

export interface StatisticsSelection {
  /** Milliseconds since the epoch, `to` excluded; whole hours are taken. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  /** Width of an interval in milliseconds: whole hours. */
  readonly everyMs: number;
}

/** The values of an interval. Numbers are null where there is none to tell. */
export interface IntervalStatistics {
  readonly from: string;
  readonly to: string;
  /** Values looked at; of `events` a sample of the population. */
  readonly count: number;
  readonly population: number;
  /** Values that are null; of `served` apart from the next two. */
  readonly nulls: number;
  /** Of `served`: values that were not there because the entity had no event. */
  readonly notFound: number;
  /** Of `served`: latest values that were older than the ttl of their view. */
  readonly outsideMaxAge: number;
  /** Different values, an estimate within about 2 %. */
  readonly distinct: number;
  readonly min: number | string | null;
  readonly max: number | string | null;
  readonly mean: number | null;
  /** Of the sample, divided by n - 1. */
  readonly stddev: number | null;
  readonly quantiles: Readonly<Record<(typeof QUANTILES)[number][0], number>> | null;
  readonly histogram: Histogram | null;
  /** Of texts: the most frequent ones. */
  readonly top: readonly { readonly value: string; readonly count: number }[] | null;
}

export interface ColumnStatistics {
  readonly name: string;
  readonly series: readonly IntervalStatistics[];
}

const QUANTILES = [
  ['p01', 0.01],
  ['p05', 0.05],
  ['p25', 0.25],
  ['p50', 0.5],
  ['p75', 0.75],
  ['p95', 0.95],
  ['p99', 0.99],
] as const;
const INTERVALS = 20;
const MOST_TOLD = 20;
const DEADLINE_MS = 60_000;

/** The statistics of columns as series of intervals, in the order of the columns. Several stored columns of one label are one. */
export async function readStatistics(
  store: OfflineStore,
  { of, name, definition }: StatisticsSubject,
  columns: readonly StatisticsColumn[],
  { from, to, everyMs }: StatisticsSelection,
): Promise<ColumnStatistics[]> {
  const labels = new Map<string, StatisticsColumn[]>();
  for (const column of columns) labels.set(column.label, [...(labels.get(column.label) ?? []), column]);
  const found: ColumnStatistics[] = [];
  for (const [label, own] of labels) {
    const where = [
      'of = {of:String} AND name = {name:String} AND definition = {definition:String} AND column IN {columns:Array(String)}',
      ...(from === undefined ? [] : ["hour >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')"]),
      ...(to === undefined ? [] : ["hour < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"]),
    ];
    const rows = await store.query<MergedRow>(
      mergedSql(where.join(' AND ')),
      { of, name, definition, columns: own.map(({ column }) => column), every: everyMs, from: from ?? 0, to: to ?? 0 },
      { deadlineMs: DEADLINE_MS },
    );
    const isTime = own.every((one) => one.isTime);
    found.push({ name: label, series: rows.map((row) => intervalOf(row, everyMs, isTime)) });
  }
  return found;
}

function intervalOf(row: MergedRow, everyMs: number, isTime: boolean): IntervalStatistics {
  const start = Number(row.start);
  const numbers = Number(row.numbers);
  const hasNumbers = numbers > 0 && !isTime;
  const told = (value: number | null): number | string | null => (value !== null && isTime ? new Date(value).toISOString() : value);
  const counts = {
    buckets: row.buckets[0],
    counts: row.buckets[1].map(Number),
    least: row.least ?? 0,
    greatest: row.greatest ?? 0,
  };
  const quantiles = hasNumbers
    ? quantilesOf(
        counts,
        QUANTILES.map(([, quantile]) => quantile),
      )
    : [];
  const texts = row.texts[0].map((value, index) => ({ value, count: Number(row.texts[1][index]) }));
  return {
    from: new Date(start).toISOString(),
    to: new Date(start + everyMs).toISOString(),
    count: Number(row.count),
    population: Number(row.population),
    nulls: Number(row.nulls),
    notFound: Number(row.notFound),
    outsideMaxAge: Number(row.outsideMaxAge),
    distinct: Number(row.distinct),
    min: told(row.least),
    max: told(row.greatest),
    mean: hasNumbers ? row.mean : null,
    stddev: hasNumbers && numbers > 1 ? Math.sqrt(row.squares / (numbers - 1)) : null,
    quantiles: hasNumbers
      ? (Object.fromEntries(QUANTILES.map(([name], index) => [name, quantiles[index]])) as IntervalStatistics['quantiles'])
      : null,
    histogram: hasNumbers ? histogramOf(counts, INTERVALS) : null,
    top: texts.length === 0 ? null : texts.sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1)).slice(0, MOST_TOLD),
  };
}
