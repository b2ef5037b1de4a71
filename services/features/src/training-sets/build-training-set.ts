import type { ArtifactStore } from '@millrace/artifact-store';
import { Fault } from '@millrace/kernel';
import { parquetSettings, quoteIdentifier, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import type { TrainingSetBuilt, TrainingSetColumn, TrainingSetRequested } from '../domain/training-set/training-set.events.js';
import type { LatestEvents, SeenEvents } from './latest-events.js';
import { isLatestOnly, latestEvents, withLatest } from './latest-join.js';
import { computeOnDemand } from './on-demand-values.js';
import { asItIs, inParquet } from './parquet-columns.js';
import { spineFault } from './spine-fault.js';
import { withSpine, type SpineKey, type StagedSpine } from './spine-table.js';
import { columnsOf, columnType, fieldsOf, keysOf, type OnDemandColumns, type SetColumn, type ViewColumns } from './view-columns.js';
import { computeView } from './view-values.js';

export interface BuildOptions {
  readonly store: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly scratch: ScratchTables;
  readonly seen: SeenEvents;
  readonly maxRows: number;
  /** Events that one join holds in memory at most, about; more are joined in pages of whole entities. */
  readonly eventsPerJoin?: number;
  /** Bits of an order of events that is joined as one 64-bit number. */
  readonly narrowBits?: number;
  readonly progress: (stage: string, done: number, total: number) => void;
  /** What was built of the set before: its file stays as it is, only its table is made again. */
  readonly kept?: TrainingSetBuilt | undefined;
}

/** In the table of a set: a row's place. */
const PLACE = '_row';
const DEADLINE_MS = 600_000;
const EVENTS_PER_JOIN = 5_000_000;
const NARROW_BITS = 62;
/** Events are read in larger blocks than usual: a join goes through them block by block. */
const BLOCKS = 'preferred_block_size_bytes = 10000000';

export function trainingSetPath(id: string): string {
  return `training-sets/${id}`;
}

export function trainingSetTable(id: string): string {
  return `millrace.training_set_${id}`;
}

/**
 * Computes the features of each spine row as of its time, over the events the positions name, and writes rows and values. The same request gives the same
 * bytes.
 */
export async function buildTrainingSet(options: BuildOptions, request: TrainingSetRequested): Promise<TrainingSetBuilt> {
  const { store, artifacts, scratch, seen, maxRows, progress } = options;
  const columns = columnsOf(request);
  const { views, onDemand } = columns;
  const [keys, fields] = [keysOf(columns), fieldsOf(columns)];
  const { spine, timestampColumn, positions } = request;
  const sourcePlan = spine.kind === 'source' ? views.find(({ plan }) => plan.source.name === spine.source)?.plan.source : undefined;
  const source = sourcePlan && { plan: sourcePlan, next: positions[sourcePlan.topic] ?? [] };
  const { eventsPerJoin = EVENTS_PER_JOIN } = options;
  // Looked at while the spine is being read; what fails is told by whoever needs it.
  const events = views.map((view) => {
    if (request.knownBy !== undefined || !isLatestOnly(view)) return undefined;
    const looked = seen.look({ store, view, next: positions[view.plan.source.topic] ?? [], eventsPerJoin });
    looked.catch(() => undefined);
    return looked;
  });
  const before = spine.kind === 'sql' && spine.path === undefined ? spine.digest : undefined;
  const mayKnow = spine.kind === 'predictions';
  const reading = {
    store,
    artifacts,
    scratch,
    spine,
    keys,
    fields,
    timestampColumn,
    source,
    maxRows,
    hasDigest: before !== undefined,
    mayKnow,
  };
  return withSpine(reading, async (staged) => {
    if (before !== undefined && staged.digest !== before) {
      throw spineFault('the rows of spine.sql are no longer those of the request; request the training set again');
    }
    const taken = new Set(staged.columns.map((column) => column.name));
    const clash = request.features.find((feature) => taken.has(feature.column));
    if (clash) throw spineFault(`the spine has a column ${clash.column}, and so have the features; rename it, or ask for fullFeatureNames`);
    if (request.output === 'table' && taken.has(PLACE))
      throw spineFault(`the spine has a column ${PLACE}, and so has the table; rename it`);
    return withValues(options, { staged, views, onDemand, events, keys, positions }, [], (values) => {
      progress('write', 0, staged.rows);
      return write(options, request, staged, onDemand ? [...views, onDemand] : views, values);
    });
  });
}

interface Building {
  readonly staged: StagedSpine;
  readonly views: readonly ViewColumns[];
  readonly onDemand: OnDemandColumns | undefined;
  /** Of the views that ClickHouse joins. */
  readonly events: readonly (Promise<LatestEvents | undefined> | undefined)[];
  readonly keys: readonly SpineKey[];
  readonly positions: TrainingSetRequested['positions'];
}

/** Where values are: in a table of a view, or in the one query that gives the spine with them. */
type Values = { readonly table: string } | { readonly joined: string };

/** Computes one view after the other, each into a table (or a query) of its own, then what is computed from these, and then runs `use` on all of them. */
async function withValues<T>(
  options: BuildOptions,
  building: Building,
  values: readonly Values[],
  use: (values: readonly Values[]) => Promise<T>,
): Promise<T> {
  const { staged, views, onDemand, keys, positions } = building;
  const view = views[values.length];
  if (!view) return onDemand ? withComputed(options, building, onDemand, values, use) : use(values);
  const { store, scratch, progress, eventsPerJoin = EVENTS_PER_JOIN, narrowBits = NARROW_BITS } = options;
  const next = positions[view.plan.source.topic] ?? [];
  const early = building.events[values.length];
  const rest = (more: Values): Promise<T> => withValues(options, building, [...values, more], use);
  const names = view.features.map((_, index) => `v${index}`);
  const definition = valuesTable(view.features);
  if (!early) {
    return scratch.with(definition, async (table, bare) => {
      await computeView(options, staged, view, keys, next, bare);
      return rest({ table });
    });
  }
  const latest = { store, scratch, staged, view, keys, next, eventsPerJoin };
  const events = (await early) ?? (await latestEvents(latest));
  return withLatest({ ...latest, events, narrowBits }, async (pages) => {
    // What only one join is needed for need not be put down first.
    const [only] = pages;
    if (views.length === 1 && !onDemand && pages.length === 1 && only !== undefined) return rest({ joined: only });
    return scratch.with(definition, async (table) => {
      for (const [page, sql] of pages.entries()) {
        progress(view.plan.name, Math.floor((staged.rows * page) / pages.length), staged.rows);
        const insert = `INSERT INTO ${table} SELECT ${['__row', ...names].join(', ')} FROM (${sql})`;
        await store.command(insert, undefined, { deadlineMs: DEADLINE_MS });
      }
      return rest({ table });
    });
  });
}

async function withComputed<T>(
  options: BuildOptions,
  { staged, views }: Building,
  onDemand: OnDemandColumns,
  values: readonly Values[],
  use: (values: readonly Values[]) => Promise<T>,
): Promise<T> {
  const tables = values.flatMap((value) => ('table' in value ? [value.table] : []));
  return options.scratch.with(valuesTable(onDemand.features), async (table, into) => {
    await computeOnDemand({ ...options, staged, views, tables, onDemand, into });
    return use([...values, { table }]);
  });
}

function valuesTable(features: readonly SetColumn[]): string {
  const columns = features.map(({ type }, index) => `v${index} Nullable(${columnType(type)})`);
  return `(${['__row UInt64', ...columns].join(', ')}) ENGINE = MergeTree ORDER BY __row`;
}

async function write(
  options: BuildOptions,
  request: TrainingSetRequested,
  staged: StagedSpine,
  groups: readonly { readonly features: readonly SetColumn[] }[],
  values: readonly Values[],
): Promise<TrainingSetBuilt> {
  const { store, artifacts } = options;
  const typed = new Map<string, string>();
  const expressions = new Map<string, string>();
  for (const [table, { features }] of groups.entries()) {
    for (const [place, { column, type }] of features.entries()) {
      if (column === undefined) continue;
      typed.set(column, `Nullable(${columnType(type)})`);
      expressions.set(column, `t${table}.v${place} AS ${quoteIdentifier(column)}`);
    }
  }
  const format = request.output === 'arrow' ? 'Arrow' : 'Parquet';
  const written = format === 'Parquet' ? staged.columns.map(inParquet) : staged.columns.map((column) => ({ column, wrap: asItIs }));
  const columns: TrainingSetColumn[] = [
    ...written.map(({ column }) => column),
    ...request.features.map(({ column }) => ({ name: column, type: typed.get(column) ?? '' })),
  ];
  const [first] = values;
  const joined = first && 'joined' in first ? first.joined : undefined;
  const own = written.map(({ column: { name }, wrap }, index) => {
    const place = joined === undefined ? `s.${quoteIdentifier(name)}` : `t0.s${index}`;
    return `${wrap(place)} AS ${quoteIdentifier(name)}`;
  });
  const selected = [...own, ...request.features.map(({ column }) => expressions.get(column) ?? '')].join(', ');
  const joins = values.map((value, index) =>
    'table' in value ? `LEFT JOIN ${value.table} AS t${index} ON s.__row = t${index}.__row` : '',
  );
  const from = joined === undefined ? `FROM ${staged.table} AS s ${joins.join(' ')}` : `FROM (${joined}) AS t0`;
  const row = joined === undefined ? 's.__row' : 't0.__row';
  const settings = [BLOCKS, ...(format === 'Parquet' ? parquetSettings(staged.rows) : ['max_threads = 1'])];
  const path = `${trainingSetPath(request.trainingSetId)}/data.${format.toLowerCase()}`;
  const sql = `SELECT ${selected} ${from} ORDER BY ${row} SETTINGS ${settings.join(', ')}`;
  const put = async (): Promise<TrainingSetBuilt> => {
    const stored = await artifacts.put(path, await store.raw(sql, format, undefined, { deadlineMs: DEADLINE_MS }));
    return { rows: staged.rows, columns, bytes: stored.size, sha256: stored.sha256, path };
  };
  // Another engine may write other bytes than the log says of the file.
  const built = options.kept ?? (await put());
  if (request.output !== 'table') return built;
  const table = trainingSetTable(request.trainingSetId);
  await options.scratch.replace(table, `ENGINE = MergeTree ORDER BY ${PLACE} AS SELECT ${row} AS ${PLACE}, ${selected} ${from}`);
  return { ...built, table };
}

/** How a failed build is told: what the requester can mend, in full; anything else by its code. */
export function failureOf(error: unknown): { code: string; message: string } {
  if (error instanceof Fault || (error instanceof Error && error.name === 'Fault')) {
    return { code: (error as Fault).code, message: error.message };
  }
  return { code: 'MR_INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
