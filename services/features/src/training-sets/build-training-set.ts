import type { ArtifactStore } from '@millrace/artifact-store';
import {
  compileView,
  entityKeyText,
  EntityHistory,
  type ColumnType,
  type EntityDefinition,
  type FeatureViewDefinition,
  type SourceDefinition,
  type Value,
  type ViewPlan,
} from '@millrace/feature-engine';
import { Fault } from '@millrace/kernel';
import { quoteIdentifier, type OfflineStore } from '@millrace/offline-store';
import type { TrainingSetBuilt, TrainingSetColumn, TrainingSetRequested } from '../domain/training-set/training-set.events.js';
import type { ScratchTables } from './scratch-table.js';
import { spineFault, withSpine, type SpineKey, type StagedSpine } from './spine-table.js';
import { viewHistories } from './view-histories.js';

export interface BuildOptions {
  readonly store: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly scratch: ScratchTables;
  readonly maxRows: number;
  readonly progress: (stage: string, done: number, total: number) => void;
}

const DEADLINE_MS = 600_000;
const ROWS_PER_INSERT = 50_000;
const ROWS_PER_READ = 500_000;

/** Columns of one view's features. */
interface ViewColumns {
  readonly plan: ViewPlan;
  readonly features: readonly { readonly index: number; readonly column: string; readonly type: string }[];
}

export function trainingSetPath(id: string): string {
  return `training-sets/${id}`;
}

/** The views of a request, compiled from the definitions it carries. */
export function viewsOf(request: TrainingSetRequested): ViewColumns[] {
  return request.definitions.map(({ view, entity, source }) => {
    const plan = compileView(
      view as unknown as FeatureViewDefinition,
      entity as unknown as EntityDefinition,
      source as unknown as SourceDefinition,
    );
    const features = request.features.flatMap((feature) => {
      if (feature.view !== plan.name) return [];
      const index = plan.features.findIndex((item) => item.name === feature.feature);
      return [{ index, column: feature.column, type: plan.features[index]?.type ?? '' }];
    });
    return { plan, features };
  });
}

export function keysOf(views: readonly { readonly plan: ViewPlan }[]): SpineKey[] {
  const keys = new Map<string, ColumnType>();
  for (const { plan } of views) for (const key of plan.joinKeys) keys.set(key.name, key.type);
  return [...keys].map(([name, type]) => ({ name, type }));
}

/**
 * Computes the features of each spine row as of its time, with the engine's own arithmetic over the events the positions name, and writes rows
 * and values as Parquet. The same request gives the same bytes.
 */
export async function buildTrainingSet(options: BuildOptions, request: TrainingSetRequested): Promise<TrainingSetBuilt> {
  const { store, artifacts, scratch, maxRows, progress } = options;
  const views = viewsOf(request);
  const keys = keysOf(views);
  const { spine, timestampColumn, positions } = request;
  const sourcePlan = spine.kind === 'source' ? views.find(({ plan }) => plan.source.name === spine.source)?.plan.source : undefined;
  const source = sourcePlan && { plan: sourcePlan, next: positions[sourcePlan.topic] ?? [] };
  return withSpine({ store, artifacts, scratch, spine, keys, timestampColumn, source, maxRows }, async (staged) => {
    if (spine.kind === 'sql' && staged.digest !== spine.digest) {
      throw spineFault('the rows of spine.sql are no longer those of the request; request the training set again');
    }
    const taken = new Set(staged.columns.map((column) => column.name));
    const clash = request.features.find((feature) => taken.has(feature.column));
    if (clash)
      throw spineFault(`the spine has a column ${clash.column}, and so have the features; rename it, or ask for full_feature_names`);
    return withValues(options, staged, views, keys, positions, [], async (tables) => {
      progress('write', 0, staged.rows);
      return writeParquet(options, request, staged, views, tables);
    });
  });
}

/** Computes one view after the other, each into a table of its own, and then runs `use` on all of them. */
async function withValues<T>(
  options: BuildOptions,
  staged: StagedSpine,
  views: readonly ViewColumns[],
  keys: readonly SpineKey[],
  positions: TrainingSetRequested['positions'],
  tables: readonly string[],
  use: (tables: readonly string[]) => Promise<T>,
): Promise<T> {
  const view = views[tables.length];
  if (!view) return use(tables);
  const columns = view.features.map(({ type }, index) => `v${index} Nullable(${columnType(type)})`);
  const definition = `(${['__row UInt64', ...columns].join(', ')}) ENGINE = MergeTree ORDER BY __row`;
  return options.scratch.with(definition, async (table, bare) => {
    await computeView(options, staged, view, keys, positions[view.plan.source.topic] ?? [], bare);
    return withValues(options, staged, views, keys, positions, [...tables, table], use);
  });
}

/** Spine rows of one entity: places and times. */
interface Asked {
  readonly rows: number[];
  readonly ats: number[];
}

async function computeView(
  { store, scratch, progress }: BuildOptions,
  staged: StagedSpine,
  { plan, features }: ViewColumns,
  keys: readonly SpineKey[],
  next: readonly number[],
  into: string,
): Promise<void> {
  const own = plan.joinKeys.map((key) => keys.findIndex((item) => item.name === key.name));
  const asked = await readAsked(store, staged, plan, own);
  let until = -Infinity;
  for (const { ats } of asked.values()) for (const at of ats) if (at > until) until = at;
  const names = plan.joinKeys.map((key, index) => `assumeNotNull(__key_${own[index]}) AS ${quoteIdentifier(key.name)}`);
  const present = own.map((index) => `__key_${index} IS NOT NULL`).join(' AND ');
  const definition = `ENGINE = Memory AS SELECT DISTINCT ${names.join(', ')} FROM ${staged.table} WHERE ${present}`;
  const writer = new ValueWriter(store, into, features);
  let done = 0;
  const answer = async (history: EntityHistory, { rows, ats }: Asked): Promise<void> => {
    for (let index = 0; index < rows.length; index++) {
      const { values } = history.at(ats[index] as number);
      if (writer.add(rows[index] as number, values)) await writer.flush();
    }
    progress(plan.name, (done += rows.length), staged.rows);
  };
  await scratch.with(definition, async (table) => {
    for await (const [key, history] of viewHistories({ store, plan, keys: table, next, until })) {
      const rows = asked.get(key);
      if (rows) await answer(history, rows);
      asked.delete(key);
    }
  });
  const nothing = new EntityHistory(plan, []);
  for (const rows of asked.values()) await answer(nothing, rows);
  await writer.flush();
}

async function readAsked(store: OfflineStore, staged: StagedSpine, plan: ViewPlan, own: readonly number[]): Promise<Map<string, Asked>> {
  const asked = new Map<string, Asked>();
  const columns = own.map((index) => `__key_${index}`).join(', ');
  const present = own.map((index) => `__key_${index} IS NOT NULL`).join(' AND ');
  for (let from = 0; from < staged.rows; from += ROWS_PER_READ) {
    const rows = await store.query<Record<string, unknown>>(
      `SELECT __row, __at, ${columns} FROM ${staged.table} WHERE __row >= {from:UInt64} AND __row < {to:UInt64} AND ${present} ORDER BY __row`,
      { from, to: from + ROWS_PER_READ },
      { deadlineMs: DEADLINE_MS },
    );
    for (const row of rows) {
      const values = plan.joinKeys.map((key, place) => key.type.parse(row[`__key_${own[place]}`]) as Value);
      const text = entityKeyText(values);
      let entry = asked.get(text);
      if (!entry) asked.set(text, (entry = { rows: [], ats: [] }));
      entry.rows.push(Number(row['__row']));
      entry.ats.push(Number(row['__at']));
    }
  }
  return asked;
}

/** Rows of values on their way into a table, as lines of JSON. */
class ValueWriter {
  #lines: string[] = [];
  #inserted = 0;
  readonly #store: OfflineStore;
  readonly #table: string;
  readonly #features: ViewColumns['features'];

  constructor(store: OfflineStore, table: string, features: ViewColumns['features']) {
    this.#store = store;
    this.#table = table;
    this.#features = features;
  }

  /** True when it is time to flush. */
  add(row: number, values: readonly Value[]): boolean {
    const features = this.#features;
    let line = `{"__row":${row}`;
    for (let place = 0; place < features.length; place++) {
      const { index, type } = features[place] as (typeof features)[number];
      line += `,"v${place}":${valueText(type, values[index] as Value)}`;
    }
    this.#lines.push(`${line}}`);
    return this.#lines.length >= ROWS_PER_INSERT;
  }

  async flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    await this.#store.insert(this.#table, Buffer.from(lines.join('\n')), `${this.#table}:${this.#inserted}`);
    this.#inserted += lines.length;
  }
}

function columnType(type: string): string {
  if (type === 'Date') return 'Date32';
  return type.startsWith('DateTime') ? "DateTime64(3, 'UTC')" : type;
}

function valueText(type: string, value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (type === 'Date') return `"${new Date(Number(value)).toISOString().slice(0, 10)}"`;
  if (type.startsWith('DateTime')) return `"${new Date(Number(value)).toISOString()}"`;
  if (type === 'Bool') return value === 0 ? 'false' : 'true';
  return String(value);
}

async function writeParquet(
  { store, artifacts }: BuildOptions,
  request: TrainingSetRequested,
  staged: StagedSpine,
  views: readonly ViewColumns[],
  tables: readonly string[],
): Promise<TrainingSetBuilt> {
  const typed = new Map<string, string>();
  const expressions = new Map<string, string>();
  for (const [table, { features }] of views.entries()) {
    for (const [place, { column, type }] of features.entries()) {
      typed.set(column, `Nullable(${columnType(type)})`);
      expressions.set(column, `t${table}.v${place} AS ${quoteIdentifier(column)}`);
    }
  }
  const own = staged.columns.map(({ name }) => `s.${quoteIdentifier(name)} AS ${quoteIdentifier(name)}`);
  const columns: TrainingSetColumn[] = [
    ...staged.columns,
    ...request.features.map(({ column }) => ({ name: column, type: typed.get(column) ?? '' })),
  ];
  const joins = tables.map((table, index) => `LEFT JOIN ${table} AS t${index} ON s.__row = t${index}.__row`).join(' ');
  // One thread and one row group order: the bytes must not depend on how many cores wrote them.
  const sql = `SELECT ${[...own, ...request.features.map(({ column }) => expressions.get(column) ?? '')].join(', ')}
    FROM ${staged.table} AS s ${joins} ORDER BY s.__row
    SETTINGS join_use_nulls = 1, max_threads = 1, output_format_parquet_parallel_encoding = 0`;
  const path = `${trainingSetPath(request.trainingSetId)}/data.parquet`;
  const stored = await artifacts.put(path, await store.raw(sql, 'Parquet', undefined, { deadlineMs: DEADLINE_MS }));
  return { rows: staged.rows, columns, bytes: stored.size, sha256: stored.sha256, path };
}

/** How a failed build is told: what the requester can mend, in full; anything else by its code. */
export function failureOf(error: unknown): { code: string; message: string } {
  if (error instanceof Fault || (error instanceof Error && error.name === 'Fault')) {
    return { code: (error as Fault).code, message: error.message };
  }
  return { code: 'MR_INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
