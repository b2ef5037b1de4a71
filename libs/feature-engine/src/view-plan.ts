import { createHash } from 'node:crypto';
import { canonical } from '@millrace/kernel';
import { parseColumnType, type ColumnType, type ValueKind } from './column-type.js';
import type { Aggregate, EntityDefinition, FeatureDefinition, FeatureViewDefinition, SourceDefinition } from './definitions.js';
import { parseDuration } from './duration.js';
import { isKeyType } from './entity-key.js';
import { compileSource, invalidDefinition, type SourcePlan } from './source-plan.js';

/** A column whose values the view keeps. */
export interface PlanColumn {
  readonly name: string;
  /** Index in the source's columns. */
  readonly source: number;
  readonly kind: ValueKind;
  readonly type: ColumnType;
  /** Index among the columns held as numbers; -1 for the others. */
  readonly number: number;
}

export interface PlanFeature {
  readonly name: string;
  readonly aggregate: Aggregate;
  /** Index in the plan's columns; -1 for `count` of events. */
  readonly column: number;
  /** 0: no window (the latest value). */
  readonly windowMs: number;
  /** Type of its values. */
  readonly type: string;
}

/** Features that one pass over one window answers together. */
export interface WindowGroup {
  readonly windowMs: number;
  readonly column: number;
  readonly features: readonly number[];
}

/** A feature view, checked against its source and entity: everything the updater, the reader and the offline computation need to know. */
export interface ViewPlan {
  readonly name: string;
  readonly source: SourcePlan;
  readonly entity: string;
  readonly joinKeys: readonly { readonly name: string; readonly type: ColumnType; readonly source: number }[];
  readonly columns: readonly PlanColumn[];
  /** How many columns are held as numbers. */
  readonly numberColumns: number;
  readonly features: readonly PlanFeature[];
  readonly groups: readonly WindowGroup[];
  /** Features without a window. */
  readonly latest: readonly number[];
  /** Columns (by index) whose latest value is kept beside the chunks. */
  readonly latestColumns: readonly number[];
  readonly longestWindowMs: number;
  /** 0: a latest value may be any age. */
  readonly ttlMs: number;
  readonly historyMs: number;
  readonly spanMs: number;
  readonly tileMs: number;
  /** Chunks kept per entity and partition, the newest included. */
  readonly keep: number;
  readonly hasId: boolean;
  readonly online: boolean;
  /** Join keys (by index) that make the record key, in its order; `null`: an entity's events may be in any partition. */
  readonly partitionBy: readonly number[] | null;
  /** Names the stored state: views with the same hash have the same bytes. */
  readonly stateHash: Buffer;
  /** Names the whole definition, features included. */
  readonly version: string;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A chunk's times are 32-bit milliseconds from its start. */
const LONGEST_SPAN = 28 * DAY;
const LONGEST_WINDOW = 3_660 * DAY;
/** A tile is at most this part of a chunk. */
const TILES_PER_CHUNK = 64;
const FEATURE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

export function compileView(view: FeatureViewDefinition, entity: EntityDefinition, sourceDefinition: SourceDefinition): ViewPlan {
  const source = compileSource(sourceDefinition);
  const where = `feature view ${view.name}`;
  const joinKeys = compileJoinKeys(where, entity, source);
  const columns: PlanColumn[] = [];
  const columnOf = (name: string): number => {
    const known = columns.findIndex((column) => column.name === name);
    if (known >= 0) return known;
    const index = source.columnIndex.get(name);
    if (index === undefined) throw invalidDefinition(`${where}: source ${source.name} has no column ${name}`);
    const type = (source.columns[index] as (typeof source.columns)[number]).type;
    const number = type.kind === 'number' ? columns.filter((column) => column.kind === 'number').length : -1;
    columns.push({ name, source: index, kind: type.kind, type, number });
    return columns.length - 1;
  };
  if (view.features.length === 0) throw invalidDefinition(`${where}: it has no features`);
  // Sorted, so that the order in which features are written does not change what is stored.
  for (const name of view.features.flatMap((feature) => feature.column ?? []).sort()) columnOf(name);
  const features = view.features.map((feature) => compileFeature(where, feature, columnOf, columns));
  const names = new Set([...features.map((feature) => feature.name), ...joinKeys.map((key) => key.name)]);
  if (names.size !== features.length + joinKeys.length)
    throw invalidDefinition(`${where}: two features, or a feature and a join key, have one name`);

  const ttlMs = view.ttl === undefined ? 0 : duration(where, 'ttl', view.ttl);
  const historyMs = view.history === undefined ? HOUR : duration(where, 'history', view.history);
  const longestWindowMs = Math.max(0, ...features.map((feature) => feature.windowMs));
  const asked = view.span === undefined ? Math.min(longestWindowMs || DAY, LONGEST_SPAN) : duration(where, 'span', view.span);
  if (asked < 1 || asked > LONGEST_SPAN) throw invalidDefinition(`${where}: span must be between 1ms and 28d`);
  const tileMs = Math.max(1, Math.floor(asked / TILES_PER_CHUNK));
  const spanMs = tileMs * Math.ceil(asked / tileMs);
  const keep = Math.ceil((longestWindowMs + historyMs) / spanMs) + 1;
  if (keep > 10_000) throw invalidDefinition(`${where}: windows and history of ${keep} chunks; give it a longer span`);
  const hasId = source.eventId >= 0;
  const partitionBy = partitioning(source, joinKeys);
  const state = {
    format: 1,
    topic: source.topic,
    eventTime: columnText(source, source.eventTime),
    eventId: hasId ? columnText(source, source.eventId) : null,
    joinKeys: joinKeys.map((key) => [key.name, key.type.name]),
    columns: columns.map((column) => [column.name, column.type.name]),
    latest: latestColumns(features),
    spanMs,
    keep,
  };
  return {
    name: view.name,
    source,
    entity: entity.name,
    joinKeys,
    columns,
    numberColumns: columns.filter((column) => column.kind === 'number').length,
    features,
    groups: groupFeatures(features),
    latestColumns: latestColumns(features),
    latest: features.flatMap((feature, index) => (feature.windowMs === 0 ? [index] : [])),
    longestWindowMs,
    ttlMs,
    historyMs,
    spanMs,
    tileMs,
    keep,
    hasId,
    online: view.online ?? true,
    partitionBy,
    stateHash: digest(state).subarray(0, 8),
    version: digest({ state, features: features.map((feature) => ({ ...feature })), ttlMs }).toString('hex'),
  };
}

function latestColumns(features: readonly PlanFeature[]): number[] {
  return [...new Set(features.filter((feature) => feature.windowMs === 0).map((feature) => feature.column))].sort((a, b) => a - b);
}

function compileJoinKeys(where: string, entity: EntityDefinition, source: SourcePlan): ViewPlan['joinKeys'] {
  const entries = Object.entries(entity.joinKeys);
  if (entries.length === 0) throw invalidDefinition(`entity ${entity.name}: it has no join keys`);
  return entries.map(([name, text]) => {
    const type = parseColumnType(text);
    if (!type || !isKeyType(type)) {
      throw invalidDefinition(`entity ${entity.name}: join key ${name} must be a String, an integer or a Bool, and not Nullable`);
    }
    const index = source.columnIndex.get(name);
    if (index === undefined) throw invalidDefinition(`${where}: source ${source.name} has no column for join key ${name}`);
    const column = (source.columns[index] as (typeof source.columns)[number]).type;
    if (column.name !== type.name) {
      throw invalidDefinition(
        `${where}: join key ${name} is ${type.name} in entity ${entity.name} and ${column.name} in source ${source.name}`,
      );
    }
    return { name, type, source: index };
  });
}

function compileFeature(
  where: string,
  feature: FeatureDefinition,
  columnOf: (name: string) => number,
  columns: readonly PlanColumn[],
): PlanFeature {
  const { name, aggregate } = feature;
  if (!FEATURE_NAME.test(name)) throw invalidDefinition(`${where}: feature name ${JSON.stringify(name)} must be letters, digits and _`);
  if (feature.column === undefined && aggregate !== 'count')
    throw invalidDefinition(`${where}: feature ${name} (${aggregate}) needs a column`);
  const windowMs = feature.window === undefined ? 0 : duration(where, `window of ${name}`, feature.window);
  if (feature.window === undefined && aggregate !== 'last')
    throw invalidDefinition(`${where}: feature ${name} (${aggregate}) needs a window`);
  if (feature.window !== undefined && (windowMs < 1 || windowMs > LONGEST_WINDOW))
    throw invalidDefinition(`${where}: window of ${name} must be between 1ms and 3660d`);
  const column = feature.column === undefined ? -1 : columnOf(feature.column);
  return { name, aggregate, column, windowMs, type: featureType(where, name, aggregate, columns[column]) };
}

function featureType(where: string, name: string, aggregate: Aggregate, column: PlanColumn | undefined): string {
  if (aggregate === 'count' || !column) return 'Int64';
  if (aggregate === 'last') return column.type.name;
  if (column.kind === 'string')
    throw invalidDefinition(`${where}: feature ${name} cannot take ${aggregate} of the text column ${column.name}`);
  if (aggregate === 'min' || aggregate === 'max') return column.type.name;
  if (column.type.isTime) throw invalidDefinition(`${where}: feature ${name} cannot take ${aggregate} of the time column ${column.name}`);
  return aggregate === 'sum' && (column.type.isInteger || column.type.name === 'Bool') ? 'Int64' : 'Float64';
}

function groupFeatures(features: readonly PlanFeature[]): WindowGroup[] {
  const groups = new Map<string, { windowMs: number; column: number; features: number[] }>();
  for (const [index, { windowMs, column }] of features.entries()) {
    if (windowMs === 0) continue;
    const key = `${windowMs}/${column}`;
    const group = groups.get(key);
    if (group) group.features.push(index);
    else groups.set(key, { windowMs, column, features: [index] });
  }
  return [...groups.values()];
}

function partitioning(source: SourcePlan, joinKeys: ViewPlan['joinKeys']): readonly number[] | null {
  if (source.key.length === 0) return null;
  const indexes = source.key.map((column) => joinKeys.findIndex((key) => key.source === column));
  return indexes.includes(-1) ? null : indexes;
}

function duration(where: string, field: string, text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined)
    throw invalidDefinition(`${where}: ${field} ${JSON.stringify(text)} is not a duration such as 30m, 6h or 7d`);
  return milliseconds;
}

function columnText(source: SourcePlan, index: number): readonly [string, string] {
  const column = source.columns[index] as (typeof source.columns)[number];
  return [column.name, column.type.name];
}

function digest(value: unknown): Buffer {
  return createHash('sha256').update(canonical(value)).digest();
}
