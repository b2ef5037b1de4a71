import { factReader } from '@millrace/contracts';
import { decodeFactHead, decodeOnce, parseJson, type Decoded, type Item, type ItemBatch, type LogRecord } from '@millrace/event-log';
import { PositionWaiters, type NextOffsets, type Scheduler, type StateCommit, type StateStore, type SubjectState } from '@millrace/kernel';
import { isLater, type MetricPoint, type MetricPointsLogged } from '../domain/metric-points/metric-points.js';
import { LoggedPoints, LoggedPointsReader } from './logged-points.js';

/** A stored point: value, timestamp, step. */
type StoredPoint = readonly [value: number, timestamp: number, step: number];

/** What is known of one run's metrics: `next` is the offset after the last record about it that was folded. */
interface MetricsOfRun {
  next: number;
  readonly points: Map<string, StoredPoint>;
}

/** Raised when the fold or its stored form changes: what an older build stored is then folded anew. */
export const LATEST_METRICS_VERSION = 'latest-metrics 2';

const MOST_CACHED_RUNS = 20_000;
/** Changed runs that may wait in memory; beyond, folding waits for the store. */
const MOST_UNSTORED = 20_000;
const STORE_AFTER_MS = 2000;

type Changes = Map<string, MetricsOfRun>;

export interface LatestMetricsHooks {
  /** The store has trouble; what is folded is kept and stored later. */
  readonly onError?: (error: unknown) => void;
  /** Told of each batch before anybody who waits for it goes on. */
  readonly onFolded?: (items: readonly Item<LoggedPoints>[]) => void;
}

/**
 * The latest point of each metric of each run, folded from the metric points into a local store, so that showing a run asks no
 * database. Folding a batch twice gives what folding it once gives. What was folded can be read at once and is stored a moment later,
 * many batches in one step: the log holds it all the while, so a crash costs a re-read and nothing else.
 */
export class LatestMetrics {
  readonly #next: number[] = [];
  readonly #cache = new Map<string, MetricsOfRun>();
  readonly #waiters: PositionWaiters;
  #unstored = new Map<number, Changes>();
  #storing: ReadonlyMap<number, Changes> = new Map();
  #store: Promise<void> = Promise.resolve();
  #cancel: (() => void) | undefined;

  constructor(
    private readonly store: StateStore,
    readonly topic: string,
    private readonly scheduler: Scheduler,
    private readonly hooks: LatestMetricsHooks = {},
  ) {
    this.#waiters = new PositionWaiters(scheduler);
    for (const [partition, next] of store.positions()) this.#next[partition] = next;
  }

  /** The offset to go on reading a partition at. */
  next(partition: number): number {
    return this.#next[partition] ?? 0;
  }

  /** Folds a batch; waits for the store only when too much waits to be stored. */
  async fold(batch: ItemBatch<LoggedPoints>): Promise<void> {
    const changes = this.#changes(batch.partition);
    for (const { record, value } of batch.items) {
      const metrics = this.#metrics(value.runId);
      foldPoints(metrics.points, value);
      metrics.next = Math.max(metrics.next, record.offset + 1);
      this.#cache.set(value.runId, metrics);
      changes.set(value.runId, metrics);
    }
    this.#next[batch.partition] = batch.nextOffset;
    this.hooks.onFolded?.(batch.items);
    this.#waiters.passed(batch.partition, batch.nextOffset);
    this.#evict();
    let waiting = 0;
    for (const { size } of this.#unstored.values()) waiting += size;
    if (waiting >= MOST_UNSTORED) await this.flush();
    else this.#arm();
  }

  /** The latest point of each of a run's metrics. */
  of(runId: string): MetricPoint[] {
    return pointsOf(this.#metrics(runId).points);
  }

  /** The same, with the offset after the last folded record about the run: it grows with each, so of two views of a run it tells the later. */
  folded(runId: string): { readonly next: number; readonly points: readonly MetricPoint[] } {
    const metrics = this.#metrics(runId);
    return { next: metrics.next, points: pointsOf(metrics.points) };
  }

  /** The metrics of every run as they were last stored, in the order of the ids' UTF-8 bytes. What is folded meanwhile is not seen. */
  *stored(): Generator<readonly [runId: string, points: MetricPoint[]]> {
    for (const [runId, { state }] of this.store.subjects()) yield [runId, pointsOf(state as MetricsOfRun['points'])];
  }

  /** Resolves once everything before `ends` is folded. */
  async waitUntil(ends: NextOffsets, deadlineMs: number): Promise<void> {
    await Promise.all(
      ends.map(async (end, partition) => {
        if (end <= this.next(partition)) return;
        await this.#waiters.wait({ topic: this.topic, partition, offset: end - 1 }, deadlineMs);
      }),
    );
  }

  /** Nothing is folded any more: who waits for it is told. */
  ended(): void {
    this.#waiters.end();
  }

  /** Forgets every run; the positions stay. */
  async clear(): Promise<void> {
    await this.flush();
    this.#cache.clear();
    await this.store.clear();
  }

  /** Stores what is folded. Flushes follow one another; a failed one keeps its changes for the next. */
  flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#store = this.#store.then(
      () => this.#flushOnce(),
      () => this.#flushOnce(),
    );
    return this.#store;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.store.close();
  }

  async #flushOnce(): Promise<void> {
    const stored = this.store.positions();
    const commits: StateCommit[] = [];
    for (const [partition, nextOffset] of this.#next.entries()) {
      if (nextOffset === undefined || nextOffset === stored.get(partition)) continue;
      const subjects = new Map<string, SubjectState>();
      for (const [runId, { next, points }] of this.#unstored.get(partition) ?? []) subjects.set(runId, { sequence: next, state: points });
      commits.push({ partition, nextOffset, subjects, replies: new Map() });
    }
    if (commits.length === 0) return;
    this.#storing = this.#unstored;
    this.#unstored = new Map();
    try {
      await this.store.commit(commits);
    } catch (error) {
      for (const [partition, changes] of this.#storing) {
        const again = this.#changes(partition);
        for (const [runId, metrics] of changes) again.set(runId, metrics);
      }
      throw error;
    } finally {
      this.#storing = new Map();
    }
  }

  #arm(): void {
    this.#cancel ??= this.scheduler.after(STORE_AFTER_MS, () => {
      this.#cancel = undefined;
      this.flush().catch((error: unknown) => {
        this.hooks.onError?.(error);
        this.#arm();
      });
    });
  }

  #changes(partition: number): Changes {
    let changes = this.#unstored.get(partition);
    if (!changes) this.#unstored.set(partition, (changes = new Map<string, MetricsOfRun>()));
    return changes;
  }

  #metrics(runId: string): MetricsOfRun {
    const known = this.#cache.get(runId);
    if (known) return known;
    for (const changes of [...this.#unstored.values(), ...this.#storing.values()]) {
      const metrics = changes.get(runId);
      if (metrics) return metrics;
    }
    const stored = this.store.subject(runId);
    return {
      next: stored?.sequence ?? 0,
      points: (stored?.state as Map<string, StoredPoint> | undefined) ?? new Map<string, StoredPoint>(),
    };
  }

  /** What is not stored yet stays reachable through its changes, so any entry may go; the oldest go first. */
  #evict(): void {
    for (const runId of this.#cache.keys()) {
      if (this.#cache.size <= MOST_CACHED_RUNS) return;
      this.#cache.delete(runId);
    }
  }
}

const TYPE = 'millrace.tracking.MetricPointsLogged.v1';
const reader = new LoggedPointsReader();
const read = factReader<MetricPointsLogged>('tracking', 'MetricPointsLogged');

/** Reads a metric points fact; one that does not fit its schema goes to the dead letters with the reason, one of another type is skipped. */
export const decodeMetricPoints = decodeOnce((record: LogRecord): Decoded<LoggedPoints> => {
  const head = decodeFactHead(record);
  if (!head.ok) return head;
  const points = head.value.type === TYPE ? reader.read(record.value) : undefined;
  if (points) return { ok: true, value: points };
  const data = parseJson(record.value);
  if (!data.ok) return data;
  const decoded = read({ type: head.value.type, data: data.value });
  return decoded.ok === true ? { ok: true, value: LoggedPoints.of(decoded.value) } : decoded;
});

/** Adds what one record says. The order in which metrics are first met is kept. */
function foldPoints(latest: Map<string, StoredPoint>, logged: LoggedPoints): void {
  for (const [key, index] of logged.latest()) {
    const known = latest.get(key);
    const point = logged.point(index);
    if (!known || isLater(point, toPoint(key, known))) latest.set(key, [point.value, point.timestamp, point.step]);
  }
}

function pointsOf(points: MetricsOfRun['points']): MetricPoint[] {
  return Array.from(points, ([key, stored]) => toPoint(key, stored));
}

function toPoint(key: string, [value, timestamp, step]: StoredPoint): MetricPoint {
  return { key, value, timestamp, step };
}
