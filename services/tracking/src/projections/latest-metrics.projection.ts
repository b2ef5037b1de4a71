import { factReader } from '@millrace/contracts';
import { decodeFact, type Decoded, type ItemBatch, type LogRecord } from '@millrace/event-log';
import { PositionWaiters, type NextOffsets, type Scheduler, type StateStore, type SubjectState } from '@millrace/kernel';
import { fromWire, isLater, type MetricPoint, type MetricPointsLogged } from '../domain/metric-points/metric-points.js';

/** A stored point: value, timestamp, step. */
type StoredPoint = readonly [value: number, timestamp: number, step: number];
type MetricsOfRun = Map<string, StoredPoint>;

/** Raised when the fold or its stored form changes: what an older build stored is then folded anew. */
export const LATEST_METRICS_VERSION = 'latest-metrics 1';

const MOST_CACHED_RUNS = 20_000;

/**
 * The latest point of each metric of each run, folded from the metric points into a local store, so that showing a run asks no
 * database. Folding a batch twice gives what folding it once gives.
 */
export class LatestMetrics {
  readonly #next: number[] = [];
  readonly #cache = new Map<string, MetricsOfRun>();
  readonly #waiters: PositionWaiters;
  #storing = 0;

  constructor(
    private readonly store: StateStore,
    readonly topic: string,
    scheduler: Scheduler,
  ) {
    this.#waiters = new PositionWaiters(scheduler);
    for (const [partition, next] of store.positions()) this.#next[partition] = next;
  }

  /** The offset to go on reading a partition at. */
  next(partition: number): number {
    return this.#next[partition] ?? 0;
  }

  /** Folds a batch and stores it; throws when the store does, and the same batch may then come again. */
  async fold(batch: ItemBatch<MetricPointsLogged>): Promise<void> {
    const subjects = new Map<string, SubjectState>();
    for (const { value } of batch.items) {
      const metrics = this.#metrics(value.runId);
      for (const wire of value.points) {
        const point = fromWire(wire);
        const known = metrics.get(point.key);
        if (!known || isLater(point, toPoint(point.key, known))) metrics.set(point.key, [point.value, point.timestamp, point.step]);
      }
      this.#cache.set(value.runId, metrics);
      subjects.set(value.runId, { sequence: 0, state: metrics });
    }
    this.#storing++;
    try {
      const { partition, nextOffset } = batch;
      await this.store.commit([{ partition, nextOffset, subjects, replies: new Map() }]);
    } finally {
      this.#storing--;
    }
    this.#evict();
    this.#next[batch.partition] = batch.nextOffset;
    this.#waiters.passed(batch.partition, batch.nextOffset);
  }

  /** The latest point of each of a run's metrics. */
  of(runId: string): MetricPoint[] {
    return [...this.#metrics(runId)].map(([key, stored]) => toPoint(key, stored));
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

  /** Forgets every run; the positions stay. */
  async clear(): Promise<void> {
    this.#cache.clear();
    await this.store.clear();
  }

  #metrics(runId: string): MetricsOfRun {
    return this.#cache.get(runId) ?? (this.store.subject(runId)?.state as MetricsOfRun | undefined) ?? new Map<string, StoredPoint>();
  }

  /** What is being stored must stay readable, so nothing goes while a commit is under way. */
  #evict(): void {
    if (this.#storing > 0) return;
    for (const runId of this.#cache.keys()) {
      if (this.#cache.size <= MOST_CACHED_RUNS) return;
      this.#cache.delete(runId);
    }
  }
}

const read = factReader<MetricPointsLogged>('tracking', 'MetricPointsLogged');

/** Reads a metric points fact; one that does not fit its schema goes to the dead letters with the reason, one of another type is skipped. */
export function decodeMetricPoints(record: LogRecord): Decoded<MetricPointsLogged> {
  const fact = decodeFact(record);
  return fact.ok ? read(fact.value) : fact;
}

function toPoint(key: string, [value, timestamp, step]: StoredPoint): MetricPoint {
  return { key, value, timestamp, step };
}
