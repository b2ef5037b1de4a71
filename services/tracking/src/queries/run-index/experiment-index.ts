import type { MetricPoint } from '../../domain/metric-points/metric-points.js';
import type { Run } from '../../domain/run/run.decider.js';
import { isPresence, type PresenceOperator, type RunAttribute, type RunCriterion, type RunOrder } from '../search-runs.query.js';
import { numberTest, textTest } from './compare.js';
import { NumberColumn } from './number-column.js';
import { RunIds } from './run-ids.js';
import { TextColumn } from './text-column.js';

const CONTEXT_TAG = 'mlflow.data.context';
const DELETED = 1;
const PURGED = 2;

/** Which runs of an experiment are asked for. */
export type RunPart = 'all' | 'active' | 'deleted';

type Comparison = Exclude<RunCriterion, { operator: PresenceOperator }>;

/** One term of an order: what a row has to show for it. Never NaN, so that it compares with itself. */
export interface RowKey {
  readonly of: (row: number) => number | string;
  readonly ascending: boolean;
  /** How the term is written in a cursor. */
  readonly type: 'Int64' | 'Float64' | 'String';
}

/** The runs of one experiment by column: a search reads the columns it names and no others. */
export class ExperimentIndex {
  readonly ids = new RunIds();
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
    return this.ids.size;
  }

  /** A rough count, for a bound. */
  get bytes(): number {
    let bytes = this.ids.bytes;
    for (const column of this.#columns()) bytes += column.bytes;
    return bytes;
  }

  has(runId: string): boolean {
    return this.ids.row(runId) !== undefined;
  }

  /** Purged runs are in no part. */
  isIn(part: RunPart, row: number): boolean {
    if (!this.#deleted.has(row)) return part !== 'deleted';
    return part !== 'active' && this.#deleted.get(row) === DELETED;
  }

  /** Takes a run as it is now. */
  put(run: Run, metrics: readonly MetricPoint[]): void {
    const row = this.ids.row(run.runId) ?? this.ids.add(run.runId);
    this.#texts.run_name.set(row, run.name);
    this.#texts.status.set(row, run.status);
    this.#texts.artifact_uri.set(row, patternOf(run.artifactUri, run.runId));
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

  /** Whether a row meets a criterion. What a run does not have meets none but `IS NULL`. */
  test(criterion: RunCriterion): (row: number) => boolean {
    if (isPresence(criterion)) {
      const column = this.#textsOf(criterion.on).get(criterion.key);
      return (row) => (column?.has(row) ?? false) === (criterion.operator === 'IS NOT NULL');
    }
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
        const textOf = column?.reader() ?? (() => undefined);
        return [rank((row) => (column?.has(row) ? 0 : 1)), { of: (row) => textOf(row) ?? '', ascending, type: 'String' }];
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
        return [{ of: (row) => this.ids.id(row), ascending, type: 'String' }];
      case 'start_time':
        return [{ of: (row) => this.#startTime.get(row), ascending, type: 'Int64' }];
      case 'end_time':
        return [
          { of: (row) => (this.#endTime.has(row) ? 0 : 1), ascending: true, type: 'Int64' },
          { of: (row) => (this.#endTime.has(row) ? this.#endTime.get(row) : 0), ascending, type: 'Int64' },
        ];
      case 'artifact_uri':
        return [{ of: this.#artifactUris(), ascending, type: 'String' }];
      default: {
        const textOf = this.#texts[key].reader();
        return [{ of: (row) => textOf(row) ?? '', ascending, type: 'String' }];
      }
    }
  }

  #artifactUris(): (row: number) => string {
    const patternAt = this.#texts.artifact_uri.reader();
    return (row) => fillIn(patternAt(row) ?? '', this.ids.id(row));
  }

  #attributeTest(criterion: RunCriterion & { on: 'attribute' }): (row: number) => boolean {
    switch (criterion.key) {
      case 'run_id':
        return this.#idTest(criterion);
      case 'artifact_uri': {
        const passes = textTest(criterion.operator, criterion.value);
        const uriOf = this.#artifactUris();
        return (row) => passes(uriOf(row));
      }
      case 'start_time':
        return numberFilter(this.#startTime, criterion);
      case 'end_time':
        return numberFilter(this.#endTime, criterion);
      default:
        return textFilter(this.#texts[criterion.key], criterion);
    }
  }

  /** Runs that are named are looked up rather than all others compared with their names. */
  #idTest({ operator, value }: Comparison): (row: number) => boolean {
    if (operator === '=' || operator === 'IN') {
      const named = (Array.isArray(value) ? value : [value]) as readonly string[];
      const rows = new Set(named.map((id) => this.ids.row(String(id))));
      return (row) => rows.has(row);
    }
    const passes = textTest(operator, value);
    return (row) => passes(this.ids.id(row));
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

function textFilter(column: TextColumn | undefined, { operator, value }: Comparison): (row: number) => boolean {
  if (!column) return () => false;
  return operator === '=' && typeof value === 'string' ? column.equals(value) : column.filter(textTest(operator, value));
}

const PLACE = '\u0000';

/** Artifacts mostly lie under the run's id, and all runs of an experiment under one place: without the id their URIs are one text. */
function patternOf(uri: string, runId: string): string {
  return uri.includes(PLACE) || !uri.includes(runId) ? `=${uri}` : `~${uri.replace(runId, PLACE)}`;
}

function fillIn(pattern: string, runId: string): string {
  // A function, because signs of an id are not to be read as the notation of replacements.
  return pattern.startsWith('~') ? pattern.slice(1).replace(PLACE, () => runId) : pattern.slice(1);
}

function numberFilter(column: NumberColumn | undefined, { operator, value }: Comparison): (row: number) => boolean {
  if (!column) return () => false;
  const passes = numberTest(operator, value);
  return (row) => column.has(row) && passes(column.get(row));
}
