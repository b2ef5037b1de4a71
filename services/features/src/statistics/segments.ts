import { randomUUID } from 'node:crypto';
import { quoteString, quoteTable, type OfflineStore } from '@millrace/offline-store';
import { storeSummaries, type StatisticsSubject } from './store-summaries.js';

/** A projected table whose rows statistics are made of as they come. */
export interface SegmentedTable extends StatisticsSubject {
  /** `millrace.<table>`, with `_partition` and `_offset`. */
  readonly table: string;
  /** A query for values (column, hour, _partition, _offset, value Nullable(Float64), text Nullable(String), status UInt8) of the table's rows that `where` lets through, each row once. */
  readonly values: (where: string) => string;
}

export interface Progress {
  /** Rows of the table that are not, about. */
  readonly behind: number;
}

/** Offsets of a segment. Large enough that few rows are kept, small enough that the open one is quickly computed again. */
export const SEGMENT_OFFSETS = 65_536;
/** Segments in one query: what is held in memory while values are counted. */
const SEGMENTS_PER_QUERY = 4;
const DEADLINE_MS = 600_000;

interface Segment {
  readonly partition: number;
  readonly segment: number;
  readonly until: number;
}

/**
 * Counts what a table holds and the statistics do not, segment by segment. Everything that is written is absolute and of the table's rows alone: whoever does it
 * again, after a crash or at the same moment, writes the same. The rows that mark a segment come after it.
 */
export async function countSegments(
  store: OfflineStore,
  table: SegmentedTable,
  /** Partitions to count; all when absent. */
  partitions?: readonly number[],
  /** Queries at most. */
  most = Infinity,
): Promise<Progress> {
  const counted = await countedOf(store, table);
  const ends = await endsOf(store, table, counted);
  const wanted = partitions ?? ends.map((_, partition) => partition);
  const due = wanted.flatMap((partition) => segmentsBetween(partition, counted[partition] ?? 0, ends[partition] ?? 0));
  for (let at = 0, query = 0; at < due.length && query < most; at += SEGMENTS_PER_QUERY, query++) {
    const batch = due.slice(at, at + SEGMENTS_PER_QUERY);
    await countBatch(store, table, batch);
    for (const { partition, until } of batch) counted[partition] = until;
  }
  const behind = ends.reduce((sum, end, partition) => sum + Math.max(0, end - (counted[partition] ?? 0)), 0);
  return { behind };
}

/** Forgets what was counted of a table that had another shape. */
export async function forgetOtherDefinitions(store: OfflineStore, { of, name, definition }: SegmentedTable): Promise<void> {
  const condition = 'of = {of:String} AND name = {name:String} AND definition != {definition:String}';
  const parameters = { of, name, definition };
  const [found] = await store.query<{ n: string }>(`SELECT count() AS n FROM millrace.statistics WHERE ${condition}`, parameters);
  if (Number(found?.n) > 0) {
    const own = [of, name, definition].map(quoteString);
    await store.command(`DELETE FROM millrace.statistics WHERE of = ${own[0]} AND name = ${own[1]} AND definition != ${own[2]}`);
  }
}

/** Next offset not yet counted, by partition. */
export async function countedOf(store: OfflineStore, { of, name, definition }: StatisticsSubject): Promise<number[]> {
  const rows = await store.query<{ partition: number; until: string }>(
    `SELECT partition, max(until) AS until FROM millrace.statistics
     WHERE of = {of:String} AND name = {name:String} AND definition = {definition:String} AND column = '' GROUP BY partition`,
    { of, name, definition },
  );
  const counted: number[] = [];
  for (const { partition, until } of rows) counted[Number(partition)] = Number(until);
  return Array.from(counted, (until) => until ?? 0);
}

/** Where each partition of the table ends; only rows beyond what was counted are looked at. */
async function endsOf(store: OfflineStore, { table }: SegmentedTable, counted: readonly number[]): Promise<number[]> {
  const known = counted.flatMap((until, partition) => (until > 0 ? [{ partition, until }] : []));
  const beyond = known.map(({ partition, until }) => `(_partition = ${partition} AND _offset >= ${until})`);
  const others = `_partition NOT IN (${known.map(({ partition }) => partition).join(', ')})`;
  const where = known.length === 0 ? '1' : `${beyond.join(' OR ')} OR ${others}`;
  const rows = await store.query<{ partition: number; next: string }>(
    `SELECT _partition AS partition, max(_offset) + 1 AS next FROM ${quoteTable(table)} WHERE ${where} GROUP BY partition`,
    undefined,
    { deadlineMs: DEADLINE_MS },
  );
  const ends = [...counted];
  for (const { partition, next } of rows) ends[Number(partition)] = Number(next);
  return Array.from(ends, (end) => end ?? 0);
}

/** The segments in which there is something new, each with where it will be counted to. */
export function segmentsBetween(partition: number, counted: number, end: number): Segment[] {
  const segments: Segment[] = [];
  for (let segment = Math.floor(counted / SEGMENT_OFFSETS); segment * SEGMENT_OFFSETS < end; segment++) {
    const until = Math.min(end, (segment + 1) * SEGMENT_OFFSETS);
    if (until > counted) segments.push({ partition, segment, until });
  }
  return segments;
}

async function countBatch(store: OfflineStore, { of, name, definition, values }: SegmentedTable, batch: readonly Segment[]): Promise<void> {
  const places = batch.map(
    ({ partition, segment, until }) => `(_partition = ${partition} AND _offset >= ${segment * SEGMENT_OFFSETS} AND _offset < ${until})`,
  );
  const rows = `SELECT column, hour, _partition AS partition, intDiv(_offset, ${SEGMENT_OFFSETS}) AS segment, value, text, status FROM (${values(places.join(' OR '))})`;
  const untils = batch.map(({ until }) => until).join(', ');
  const keys = batch.map(({ partition, segment }) => `'${partition}/${segment}'`).join(', ');
  const until = `transform(concat(toString(partition), '/', toString(segment)), [${keys}], [${untils}], 0)`;
  await storeSummaries(store, { of, name, definition }, rows, { until, population: 'rows' });
  await store.insert(
    'millrace.statistics',
    batch.map(({ partition, segment, until }) => ({ of, name, definition, partition, segment, until })),
    randomUUID(),
  );
}
