import type { OfflineStore, SqlParameters } from '@millrace/offline-store';
import type { MetricPoint } from '../domain/metric-points/metric-points.js';
import { doubleOf } from './double-text.js';

export type SeriesAxis = 'step' | 'timestamp';

export interface SeriesRequest {
  readonly experimentId: string;
  readonly runId: string;
  readonly key: string;
  readonly axis: SeriesAxis;
  readonly buckets: number;
  /** Ends of the part of the axis that is wanted, both included. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export type SeriesPoint = Omit<MetricPoint, 'key'>;

/** What is kept of the points between two places of the axis. A spike survives as `min` or `max`; NaN counts as neither. */
export interface SeriesBucket {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** `null` when every value is NaN. */
  readonly min: SeriesPoint | null;
  readonly max: SeriesPoint | null;
  /** The point of the greatest step, then timestamp. */
  readonly last: SeriesPoint;
}

export interface MetricSeries {
  /** Points in the part that is shown. A batch that a client sent twice counts twice here. */
  readonly points: number;
  readonly buckets: readonly SeriesBucket[];
}

interface BucketRow {
  readonly run: string;
  /** Which of the equal parts of the axis it is. */
  readonly bucket: string;
  readonly low: string;
  readonly high: string;
  readonly points: string;
  readonly numbers: string;
  readonly first: PointRow;
  readonly least: PointRow;
  readonly most: PointRow;
  readonly last: PointRow;
}

/** Value as text, so that NaN and the infinities survive JSON and every double comes back to the bit; timestamp; step. */
type PointRow = readonly [value: string, timestamp: string, step: string];

/** A metric's history for a plot: the axis between its first and its last point in equal parts, each with its extremes and its last point. */
export async function metricSeries(store: OfflineStore, request: SeriesRequest): Promise<MetricSeries> {
  const { experimentId, runId, key, axis, buckets, from, to } = request;
  const rows = await bucketRows(store, { experimentIds: [experimentId], runIds: [runId], key, axis, buckets, from, to });
  return {
    points: rows.reduce((sum, { points }) => sum + Number(points), 0),
    buckets: rows.map(({ low, high, points, numbers, least, most, last }) => ({
      from: Number(low),
      to: Number(high),
      count: Number(points),
      min: numbers === '0' ? null : point(least),
      max: numbers === '0' ? null : point(most),
      last: point(last),
    })),
  };
}

export interface IntervalRequest {
  readonly runs: readonly { readonly experimentId: string; readonly runId: string }[];
  readonly key: string;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Points of one run at most. */
  readonly limit: number;
}

/**
 * The points of several runs over one range of steps: all of a run that has no more than `limit`. Of the others the steps are cut in `limit` equal parts,
 * and what any of them logged at the first step of a part, or at its own last step, is shown of all of them, as MLflow does; beside them the
 * extremes of every four parts, so that a spike survives. Every one was logged as it is shown; none is an average. By run, then step.
 */
export async function metricInterval(store: OfflineStore, request: IntervalRequest): Promise<RunPoint[]> {
  const { runs, key, from, to, limit } = request;
  if (runs.length === 0) return [];
  const experimentIds = [...new Set(runs.map(({ experimentId }) => experimentId))];
  const runIds = runs.map(({ runId }) => runId);
  const counted = await counts(store, { experimentIds, runIds, key, from, to });
  const few = runIds.filter((runId) => (counted.get(runId) ?? 0) <= limit);
  const many = runIds.filter((runId) => (counted.get(runId) ?? 0) > limit);
  const whole = few.length === 0 ? [] : await everyPoint(store, { experimentIds, runIds: few, key, from, to });
  const query = { experimentIds, runIds: many, key, from, to };
  const rows = many.length === 0 ? [] : await bucketRows(store, { ...query, axis: 'step', buckets: limit });
  const shared = rows.length === 0 ? [] : await everyPoint(store, { ...query, steps: sharedSteps(rows, many) });
  const seen = new Set(shared.map(placeOf));
  const kept = [...shared, ...extremes(rows, key).filter((extreme) => !seen.has(placeOf(extreme)))];
  const place = new Map(runIds.map((runId, index) => [runId, index]));
  return [...whole, ...kept].sort(
    (a, b) => (place.get(a.runId) ?? 0) - (place.get(b.runId) ?? 0) || a.step - b.step || a.timestamp - b.timestamp,
  );
}

/** The first step of each part of the axis and the last of each run. */
function sharedSteps(rows: readonly BucketRow[], runIds: readonly string[]): number[] {
  const firsts = new Map<string, number>();
  const lasts = new Map<string, number>();
  for (const { run, bucket, first, last } of rows) {
    firsts.set(bucket, Math.min(firsts.get(bucket) ?? Infinity, point(first).step));
    lasts.set(run, Math.max(lasts.get(run) ?? -Infinity, point(last).step));
  }
  return [...new Set([...firsts.values(), ...runIds.map((runId) => lasts.get(runId)).filter((step) => step !== undefined)])];
}

/** Of every four parts of each run the least and the greatest value, where the parts' first points do not show them. */
function extremes(rows: readonly BucketRow[], key: string): RunPoint[] {
  const groups = new Map<string, BucketRow[]>();
  for (const row of rows) {
    const group = `${row.run} ${Math.floor(Number(row.bucket) / PARTS_PER_EXTREME)}`;
    groups.set(group, [...(groups.get(group) ?? []), row]);
  }
  return [...groups.values()].flatMap((group) => {
    const numbers = group.filter((row) => row.numbers !== '0');
    const shown = new Set(group.map(({ first }) => point(first).value));
    const least = numbers.map(({ run, least: row }) => ({ runId: run, key, ...point(row) })).sort((a, b) => a.value - b.value)[0];
    const most = numbers.map(({ run, most: row }) => ({ runId: run, key, ...point(row) })).sort((a, b) => b.value - a.value)[0];
    return [least, ...(most && most.value !== least?.value ? [most] : [])].filter(
      (extreme) => extreme !== undefined && !shown.has(extreme.value),
    ) as RunPoint[];
  });
}

function placeOf({ runId, step, timestamp, value }: RunPoint): string {
  return [runId, step, timestamp, value].join(' ');
}

export type RunPoint = MetricPoint & { readonly runId: string };

/** Parts of the axis of which one least and one greatest value are shown: with their first points at most half as many again. */
const PARTS_PER_EXTREME = 4;

interface PointsQuery {
  readonly experimentIds: readonly string[];
  readonly runIds: readonly string[];
  readonly key: string;
  readonly axis?: SeriesAxis;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly steps?: readonly number[];
}

/** `FROM … WHERE …` of the points asked for. */
function pointsSql({ experimentIds, runIds, key, axis = 'step', from, to, steps }: PointsQuery): {
  sql: string;
  parameters: SqlParameters;
} {
  const range = [
    from === undefined ? '' : ` AND ${axis} >= {from:Int64}`,
    to === undefined ? '' : ` AND ${axis} <= {to:Int64}`,
    steps === undefined ? '' : ' AND step IN arrayMap(one -> toInt64(one), {steps:Array(String)})',
  ].join('');
  return {
    sql: `FROM millrace.metric_points
  WHERE experiment_id IN {experimentIds:Array(String)} AND run_id IN {runIds:Array(String)} AND key = {key:String}${range}`,
    parameters: {
      ...{ experimentIds, runIds, key },
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(steps === undefined ? {} : { steps: steps.map(String) }),
    },
  };
}

async function counts(store: OfflineStore, query: PointsQuery): Promise<ReadonlyMap<string, number>> {
  const { sql, parameters } = pointsSql(query);
  const rows = await store.query<{ run: string; points: string }>(
    `SELECT run_id AS run, count() AS points ${sql} GROUP BY run_id`,
    parameters,
  );
  return new Map(rows.map(({ run, points }) => [run, Number(points)]));
}

async function everyPoint(store: OfflineStore, query: PointsQuery): Promise<RunPoint[]> {
  const { sql, parameters } = pointsSql(query);
  const rows = await store.query<{ run: string; point: PointRow }>(
    `SELECT DISTINCT run_id AS run, (toString(value), timestamp, step) AS point ${sql}`,
    parameters,
  );
  return rows.map((row) => ({ runId: row.run, key: query.key, ...point(row.point) }));
}

interface Bounds {
  readonly points: string;
  readonly steps: readonly [low: string, high: string];
  readonly times: readonly [low: string, high: string];
}

/**
 * The axis of all runs together is cut, so that the buckets of several runs stand above each other. A point's place, its step and then its
 * timestamp, is made one number: ClickHouse compares numbers several times as fast as pairs, and there may be millions of them.
 */
async function bucketRows(store: OfflineStore, query: PointsQuery & { axis: SeriesAxis; buckets: number }): Promise<BucketRow[]> {
  const { axis, buckets } = query;
  const { sql, parameters } = pointsSql(query);
  const [bounds] = await store.query<Bounds>(
    `SELECT count() AS points, (min(step), max(step)) AS steps, (min(timestamp), max(timestamp)) AS times ${sql}`,
    parameters,
  );
  if (!bounds || bounds.points === '0') return [];
  const [steps, times] = [bounds.steps, bounds.times].map(([low, high]) => ({
    low: BigInt(low),
    span: BigInt(high) - BigInt(low) + 1n,
  })) as [Range, Range];
  const along = axis === 'step' ? steps : times;
  const place = steps.span * times.span < 2n ** 63n ? 'Int64' : 'Int128';
  const stepOf = (at: string) => `toInt64(intDiv(${at}, {timeSpan:UInt64}) + {firstStep:Int64})`;
  const timeOf = (at: string) => `toInt64(${at} % {timeSpan:UInt64} + {firstTime:Int64})`;
  const pointAt = (name: string) =>
    `(toString(${name}_value), toString(${timeOf(`${name}_at`)}), toString(${stepOf(`${name}_at`)})) AS ${name}`;
  // A text to group by costs a quarter of the whole, and one run needs none.
  const run = query.runIds.length > 1 ? 'run_id' : 'any(run_id)';
  const bucket = `least({buckets:UInt32} - 1, toUInt32(toFloat64(${axis} - {start:Int64}) * {buckets:UInt32} / {span:Float64}))`;
  return store.query<BucketRow>(
    `SELECT run, bucket, ${axis === 'step' ? `${stepOf('first_at')} AS low, ${stepOf('last_at')} AS high` : 'low, high'}, points, numbers,
  ${['first', 'least', 'most', 'last'].map(pointAt).join(', ')}
FROM (
  SELECT ${run} AS run, ${bucket} AS bucket, ${axis === 'step' ? '' : 'min(timestamp) AS low, max(timestamp) AS high, '}count() AS points, countIf(NOT isNaN(value)) AS numbers,
    min(at) AS first_at, argMin(value, at) AS first_value, max(at) AS last_at, argMax(value, at) AS last_value,
    minIf(value, NOT isNaN(value)) AS least_value, argMinIf(at, value, NOT isNaN(value)) AS least_at,
    maxIf(value, NOT isNaN(value)) AS most_value, argMaxIf(at, value, NOT isNaN(value)) AS most_at
  FROM (SELECT run_id, step, timestamp, value, to${place}(step - {firstStep:Int64}) * {timeSpan:UInt64} + (timestamp - {firstTime:Int64}) AS at ${sql})
  GROUP BY ${query.runIds.length > 1 ? 'run_id, ' : ''}bucket
)
ORDER BY run, low`,
    {
      ...{ ...parameters, buckets, start: String(along.low), span: Number(along.span) },
      ...{ firstStep: String(steps.low), firstTime: String(times.low), timeSpan: String(times.span) },
    },
  );
}

interface Range {
  readonly low: bigint;
  readonly span: bigint;
}

function point([value, timestamp, step]: PointRow): SeriesPoint {
  return { value: doubleOf(value), timestamp: Number(timestamp), step: Number(step) };
}
