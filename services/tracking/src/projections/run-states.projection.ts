import type { Decoded, Item, ItemBatch, LogRecord } from '@millrace/event-log';
import { aggregateOf } from '@millrace/kernel';
import { RowText } from '@millrace/offline-store';
import type { MetricPoint } from '../domain/metric-points/metric-points.js';
import type { RunState } from '../domain/run/run.decider.js';
import type { Linger } from './linger.js';
import { runKeyPath } from './run-key-path.js';

export const RUN_STATES_TABLE = 'millrace.run_states';
/** Runs of which it is known who has written their rows. */
const MOST_WRITTEN = 50_000;
const CONTEXT_TAG = 'mlflow.data.context';

/** What the projection needs of this process's folds. */
export interface RunFolds {
  /** Resolves when decisions and metric points are folded as far as the log went at the call. */
  upToDate(): Promise<void>;
  run(runId: string): { readonly sequence: number; readonly state: RunState };
  metrics(runId: string): { readonly next: number; readonly points: readonly MetricPoint[] };
}

/**
 * How one topic becomes rows; the parts a table projection is made of. Of a record only the run is looked at, which is its key: what has
 * become of the run is asked of the folds, and a record they have passed over makes a row that says the same again.
 */
export interface RunStatesSource {
  readonly decode: (record: LogRecord) => Decoded<string>;
  readonly prepare: (batch: ItemBatch<string>) => Promise<void>;
  readonly toRows: (item: Item<string>) => RowText[] | undefined;
}

/**
 * A run's whole state, with its latest metrics, as a row of `millrace.run_states`: one for each batch of decisions or of metric points
 * that changed it. The row of the highest version is the run.
 *
 * Two topics feed the table, and several processes may. A version is the run's sequence plus the offset after its last metric record:
 * both grow, so their sum does. Before a row is made the folds are brought to the ends of both topics, asked for after the batch
 * was read. So a row of a higher version, whoever wrote it, holds all that was in the log before the record that made it higher:
 * it never takes back what an acknowledged write had put in.
 *
 * A row is replaced by the run's next one, so rows alone would not keep `max(_offset)`. With the last of a batch goes a mark, a row of no
 * experiment that only the next mark of its partition replaces. Until it is in the table, `max(_offset)` may fall back to the mark before: then a part
 * of the batch is read again and says the same again.
 */
export class RunStatesProjection {
  readonly decisions: RunStatesSource;
  readonly metricPoints: RunStatesSource;

  /** Which source has written a run's row since the run last changed. */
  readonly #writtenBy = new Map<string, RunStatesSource>();

  constructor(
    private readonly folds: RunFolds,
    private readonly linger: Linger,
  ) {
    this.decisions = this.#source((key) => (aggregateOf(key) === 'run' ? key.slice('run/'.length) : undefined));
    this.metricPoints = this.#source((key) => key);
  }

  /** A decision or metric points of the run were folded: whatever row there is does not hold them. */
  changed(runId: string): void {
    this.#writtenBy.delete(runId);
  }

  #source(runOf: (key: string) => string | undefined): RunStatesSource {
    /** By partition, since partitions are handled at the same time: the offsets of the batch in hand that make rows. */
    const emitting = new Map<number, { readonly offsets: ReadonlySet<number>; readonly last: number }>();
    const source: RunStatesSource = {
      decode: ({ key }) => {
        const runId = key === null ? undefined : runOf(key);
        return runId === undefined ? { ok: 'skip', reason: 'not about a run' } : { ok: true, value: runId };
      },
      prepare: async ({ partition, items, nextOffset, end }) => {
        const lastOf = new Map<string, number>();
        for (const { record, value } of items) lastOf.set(value, record.offset);
        emitting.set(partition, { offsets: new Set(lastOf.values()), last: items.at(-1)?.record.offset ?? -1 });
        if (lastOf.size === 0) return;
        if (nextOffset >= end) await this.linger.pause();
        await this.folds.upToDate();
      },
      toRows: ({ record, value }) => {
        const batch = emitting.get(record.partition);
        if (!batch?.offsets.has(record.offset)) return undefined;
        const marks = record.offset === batch.last ? [mark(record)] : [];
        const row = this.#isWrittenByOther(value, source) ? undefined : this.#row(value);
        if (row) this.#remember(value, source);
        return row ? [row, ...marks] : marks;
      },
    };
    return source;
  }

  /**
   * After a start both sources come to every run, and the row would be the same. That of the other source is enough, also when it is not in the
   * table yet: the other one's mark is not either, so it comes back to the run until both are. A source's own row is not: what it comes
   * back to may be what was lost.
   */
  #isWrittenByOther(runId: string, source: RunStatesSource): boolean {
    const by = this.#writtenBy.get(runId);
    return by !== undefined && by !== source;
  }

  #remember(runId: string, source: RunStatesSource): void {
    if (this.#writtenBy.size >= MOST_WRITTEN) this.#writtenBy.clear();
    this.#writtenBy.set(runId, source);
  }

  #row(runId: string): RowText | undefined {
    const { sequence, state } = this.folds.run(runId);
    if (!state) return undefined;
    const { next, points } = this.folds.metrics(runId);
    const row = JSON.stringify({
      version: sequence + next,
      sequence,
      experiment_id: state.experimentId,
      run_id: state.runId,
      name: state.name,
      status: state.status,
      user_id: state.userId,
      start_time: state.startTime,
      end_time: state.endTime,
      artifact_uri: state.artifactUri,
      deleted: state.deleted,
      purged: state.purged ?? false,
      params: byPath(state.params),
      tags: byPath(state.tags),
      'datasets.name': state.datasets.map((input) => input.name),
      'datasets.digest': state.datasets.map((input) => input.digest),
      'datasets.context': state.datasets.map((input) => input.tags[CONTEXT_TAG] ?? ''),
    });
    return new RowText(`${row.slice(1, -1)},"metrics":{${points.map(metricJson).join(',')}}`);
  }
}

function mark({ topic, partition, offset }: LogRecord): RowText {
  return new RowText(`"version":${offset + 1},"experiment_id":"","run_id":"${topic}/${partition}","start_time":0`);
}

function byPath(pairs: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries(Array.from(pairs, ([key, value]) => [runKeyPath(key), value]));
}

/** The column takes the type a number is written with, and a metric has to have one type in every run. */
function metricJson({ key, value }: MetricPoint): string {
  const text = String(value);
  const number = Number.isFinite(value) ? (/[.e]/.test(text) ? text : `${text}.0`) : `"${text}"`;
  return `${JSON.stringify(runKeyPath(key))}:${number}`;
}
