import type { MetricPoint } from '../../domain/metric-points/metric-points.js';
import type { Run } from '../../domain/run/run.decider.js';
import type { RunAttribute, RunCriterion, RunOrder } from '../search-runs.query.js';
import { numberTest, textTest } from './compare.js';
import { NumberColumn } from './number-column.js';
import { TextColumn } from './text-column.js';

const CONTEXT_TAG = 'mlflow.data.context';
/** What a run costs beside its columns: its id, and where it stands. */
const RUN_BYTES = 180;
const DELETED = 1;
const PURGED = 2;

/** Which runs of an experiment are asked for. */
export type RunPart = 'all' | 'active' | 'deleted';

/** One term of an order: what a row has to show for it. Never NaN, so that it compares with itself. */
export interface RowKey {
  readonly of: (row: number) => number | string;
  readonly ascending: boolean;
  /** How the term is written in a cursor. */
  readonly type: 'Int64' | 'Float64' | 'String';
}

/** The runs of one experiment by column: a search reads the columns it names and no others. */
export class ExperimentIndex {
  readonly ids: string[] = [];
  readonly #rows = new Map<string, number>();
  readonly #texts: Readonly<Record<'run_name' | 'status' | 'artifact_uri' | 'user_id', TextColumn>> = {
    run_name: new TextColumn(),
    status: new TextColumn(),
    artifact_uri: new TextColumn(),
    user_id: new TextColumn(),
  };
  readonly #startTime = new NumberColumn();
  readonly #endTime = new NumberColumn();
  readonly #deleted = new NumberColumn();
  readonly #params = new Map<string, TextColumn>();
  readonly #tags = new Map<string, TextColumn>();
  readonly #metrics = new Map<string, NumberColumn>();
  readonly #datasets = new Map<number, Run['datasets']>();

  get size(): number {
    return this.ids.length;
  }

  /** A rough count, for a bound. */
  get bytes(): number {
    let bytes = this.ids.length * RUN_BYTES;
    for (const column of this.#columns()) bytes += column.bytes;
    return bytes;
  }

  has(runId: string): boolean {
    return this.#rows.has(runId);
  }

  /** Purged runs are in no part. */
  isIn(part: RunPart, row: number): boolean {
    if (!this.#deleted.has(row)) return part !== 'deleted';
    return part !== 'active' && this.#deleted.get(row) === DELETED;
  }

  /** Takes a run as it is now. */
  put(run: Run, metrics: readonly MetricPoint[]): void {
    let row = this.#rows.get(run.runId);
    if (row === undefined) {
      row = this.ids.push(run.runId) - 1;
      this.#rows.set(run.runId, row);
    }
    this.#texts.run_name.set(row, run.name);
    this.#texts.status.set(row, run.status);
    this.#texts.artifact_uri.set(row, run.artifactUri);
    this.#texts.user_id.set(row, run.userId);
    this.#startTime.set(row, run.startTime);
    if (run.endTime === null) this.#endTime.delete(row);
    else this.#endTime.set(row, run.endTime);
    if (run.deleted) this.#deleted.set(row, run.purged ? PURGED : DELETED);
    else this.#deleted.delete(row);
    for (const [key, value] of run.params) columnOf(this.#params, key, () => new TextColumn()).set(row, value);
    // Only tags can go.
    for (const [key, column] of this.#tags) if (!run.tags.has(key)) column.delete(row);
    for (const [key, value] of run.tags) columnOf(this.#tags, key, () => new TextColumn()).set(row, value);
    for (const { key, value } of metrics) columnOf(this.#metrics, key, () => new NumberColumn()).set(row, value);
    if (run.datasets.length > 0) this.#datasets.set(row, [...run.datasets]);
  }

  /** Whether a row meets a criterion. What a run does not have meets none. */
  test(criterion: RunCriterion): (row: number) => boolean {
    switch (criterion.on) {
      case 'attribute':
        return this.#attributeTest(criterion);
      case 'param':
      case 'tag':
        return textFilter(this.#textsOf(criterion.on).get(criterion.key), criterion);
      case 'metric':
        return numberFilter(this.#metrics.get(criterion.key), criterion);
      case 'dataset': {
        const passes = textTest(criterion.operator, criterion.value);
        const field = criterion.key;
        const valueOf = (input: Run['datasets'][0]) => (field === 'context' ? (input.tags[CONTEXT_TAG] ?? '') : input[field]);
        return (row) => this.#datasets.get(row)?.some((input) => passes(valueOf(input))) ?? false;
      }
    }
  }

  /** The terms of an order: the same as those of the SQL that answers it. */
  keys(order: RunOrder): RowKey[] {
    const { ascending } = order;
    const rank = (of: (row: number) => number): RowKey => ({ of, ascending: true, type: 'Int64' });
    switch (order.by) {
      case 'attribute':
        return this.#attributeKeys(order.key, ascending);
      case 'param':
      case 'tag': {
        const column = this.#textsOf(order.by).get(order.key);
        return [rank((row) => (column?.has(row) ? 0 : 1)), { of: (row) => column?.get(row) ?? '', ascending, type: 'String' }];
      }
      case 'metric': {
        const column = this.#metrics.get(order.key);
        const number = (row: number) => column?.get(row) ?? NaN;
        const value: RowKey = { of: (row) => (Number.isNaN(number(row)) ? 0 : number(row)), ascending, type: 'Float64' };
        return [rank((row) => (!column?.has(row) ? 2 : Number.isNaN(number(row)) ? 1 : 0)), value];
      }
    }
  }

  #attributeKeys(key: RunAttribute, ascending: boolean): RowKey[] {
    switch (key) {
      case 'run_id':
        return [{ of: (row) => this.ids[row] as string, ascending, type: 'String' }];
      case 'start_time':
        return [{ of: (row) => this.#startTime.get(row), ascending, type: 'Int64' }];
      case 'end_time':
        return [
          { of: (row) => (this.#endTime.has(row) ? 0 : 1), ascending: true, type: 'Int64' },
          { of: (row) => (this.#endTime.has(row) ? this.#endTime.get(row) : 0), ascending, type: 'Int64' },
        ];
      default: {
        const column = this.#texts[key];
        return [{ of: (row) => column.get(row) ?? '', ascending, type: 'String' }];
      }
    }
  }

  #attributeTest(criterion: RunCriterion & { on: 'attribute' }): (row: number) => boolean {
    switch (criterion.key) {
      case 'run_id': {
        const passes = textTest(criterion.operator, criterion.value);
        return (row) => passes(this.ids[row] as string);
      }
      case 'start_time':
        return numberFilter(this.#startTime, criterion);
      case 'end_time':
        return numberFilter(this.#endTime, criterion);
      default:
        return textFilter(this.#texts[criterion.key], criterion);
    }
  }

  #textsOf(on: 'param' | 'tag'): Map<string, TextColumn> {
    return on === 'param' ? this.#params : this.#tags;
  }

  *#columns(): Iterable<{ readonly bytes: number }> {
    yield* Object.values(this.#texts);
    yield* [this.#startTime, this.#endTime, this.#deleted];
    yield* this.#params.values();
    yield* this.#tags.values();
    yield* this.#metrics.values();
  }
}

function columnOf<C>(columns: Map<string, C>, key: string, make: () => C): C {
  let column = columns.get(key);
  if (!column) columns.set(key, (column = make()));
  return column;
}

function textFilter(column: TextColumn | undefined, { operator, value }: RunCriterion): (row: number) => boolean {
  return column ? column.filter(textTest(operator, value)) : () => false;
}

function numberFilter(column: NumberColumn | undefined, { operator, value }: RunCriterion): (row: number) => boolean {
  if (!column) return () => false;
  const passes = numberTest(operator, value);
  return (row) => column.has(row) && passes(column.get(row));
}
