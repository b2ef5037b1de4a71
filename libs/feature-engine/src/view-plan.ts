import { createHash } from 'node:crypto';
import { canonical } from '@millrace/kernel';
import { parseColumnType, type ColumnType, type Value, type ValueKind } from './column-type.js';
import type { Aggregate, EntityDefinition, FeatureViewDefinition, SourceDefinition, WindowKind } from './definitions.js';
import { isKeyType } from './entity-key.js';
import { compileExpression, type Expression } from './expression/compile-expression.js';
import { compileDerived } from './derived-features.js';
import { compileFeature, compileFilters, duration, groupFeatures, versionedFeature } from './plan-features.js';
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
  readonly aggregate: Aggregate | 'expression';
  /** Index in the plan's columns; -1 for `count` of events and for expressions. */
  readonly column: number;
  /** 0: no window (the latest value, or an expression). Infinity: lifetime. */
  readonly windowMs: number;
  readonly kind: WindowKind;
  /** Of a session; else 0. */
  readonly gapMs: number;
  readonly includeCurrent: boolean;
  /** Index in the plan's filters; -1: every event counts. */
  readonly filter: number;
  /** k of top_k, which quantile; else 0. */
  readonly parameter: number;
  /** Type of its values. */
  readonly type: string;
}

/** Which events count. Its columns are the plan's. */
export interface PlanFilter {
  readonly text: string;
  readonly passes: Expression['evaluate'];
}

/** A feature that is an expression over others of its view. */
export interface DerivedFeature {
  readonly feature: number;
  readonly text: string;
  readonly type: string;
  /** The type its values are held as: a whole number may be a double, whatever its type is called. */
  readonly held: string;
  /** The features it is computed from. */
  readonly inputs: readonly number[];
  readonly evaluate: (values: readonly Value[], at: number) => Value;
}

/** Features that one pass over one window answers together. */
export interface WindowGroup {
  readonly windowMs: number;
  readonly kind: WindowKind;
  readonly gapMs: number;
  readonly includeCurrent: boolean;
  readonly filter: number;
  readonly column: number;
  readonly features: readonly number[];
  /** What is asked beyond count, sum, least, greatest, first and last: it takes another pass over the events. */
  readonly asksMore: boolean;
  readonly moments: boolean;
  readonly distinct: boolean;
  readonly ranks: boolean;
  readonly top: boolean;
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
  readonly filters: readonly PlanFilter[];
  readonly groups: readonly WindowGroup[];
  /** Computed last, from the others. */
  readonly derived: readonly DerivedFeature[];
  /** Features that are the latest value. */
  readonly latest: readonly number[];
  /** Columns (by index) whose latest value is kept beside the chunks. */
  readonly latestColumns: readonly number[];
  /** Lifetimes left out. */
  readonly longestWindowMs: number;
  /** A feature rests on all events there ever were: every chunk is kept. */
  readonly hasLifetime: boolean;
  /** 0: a latest value may be any age. */
  readonly ttlMs: number;
  readonly historyMs: number;
  readonly spanMs: number;
  readonly tileMs: number;
  /** Chunks kept per entity and partition, the newest included; Infinity with a lifetime. */
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
/** A tile is at most this part of a chunk. */
const TILES_PER_CHUNK = 64;

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
  const expressions = compileFilters(where, view.features, source);
  const filtered = [...expressions.values()].flatMap((filter) => filter.columns.map((index) => source.columns[index]?.name ?? ''));
  for (const name of [...view.features.flatMap((feature) => feature.column ?? []), ...filtered].sort()) columnOf(name);
  // Once more, over the columns that are kept: a filter reads them where they are.
  const filters = [...expressions.keys()].map((text): PlanFilter => ({ text, passes: compileExpression(text, columns).evaluate }));
  const aggregates = view.features.map((feature) => compileFeature(where, feature, columnOf, columns, filters));
  const derived = compileDerived(where, view.features, aggregates, columns);
  const features = aggregates.map((feature, index) => ({ ...feature, type: derived.get(index)?.type ?? feature.type }));
  const names = new Set(joinKeys.map((key) => key.name));
  for (const { name } of features) {
    if (names.has(name))
      throw invalidDefinition(`${where}: ${name} is the name of two features, or of a feature and a join key`, {
        feature: name,
        field: 'name',
      });
    names.add(name);
  }

  const ttlMs = view.ttl === undefined ? 0 : duration(where, 'ttl', view.ttl);
  const historyMs = view.history === undefined ? HOUR : duration(where, 'history', view.history);
  const hasLifetime = features.some((feature) => feature.windowMs === Infinity);
  const longestWindowMs = Math.max(0, ...features.flatMap(({ windowMs }) => (windowMs === Infinity ? [] : [windowMs])));
  const usual = hasLifetime ? LONGEST_SPAN : Math.min(longestWindowMs || DAY, LONGEST_SPAN);
  const asked = view.span === undefined ? usual : duration(where, 'span', view.span);
  if (asked < 1 || asked > LONGEST_SPAN) throw invalidDefinition(`${where}: span must be between 1ms and 28d`, { field: 'span' });
  if (hasLifetime && asked < DAY)
    throw invalidDefinition(`${where}: span must be 1d or longer beside a lifetime, as every chunk is kept`, { field: 'span' });
  const tileMs = Math.max(1, Math.floor(asked / TILES_PER_CHUNK));
  const spanMs = tileMs * Math.ceil(asked / tileMs);
  const keep = hasLifetime ? Infinity : Math.ceil((longestWindowMs + historyMs) / spanMs) + 1;
  if (keep > 10_000 && !hasLifetime)
    throw invalidDefinition(`${where}: windows and history of ${keep} chunks; give it a longer span`, { field: 'span' });
  const hasId = source.eventId >= 0;
  const partitionBy = partitioning(source, joinKeys);
  if (source.movesEvents && !partitionBy) {
    throw invalidDefinition(
      `${where}: source ${source.name} corrects times, so its key must be there and be made of join keys of entity ${entity.name}: ` +
        'an event and its correction have to be in one partition',
      { field: 'source' },
    );
  }
  const state = {
    format: 1,
    topic: source.topic,
    eventTime: columnText(source, source.eventTime),
    eventId: hasId ? columnText(source, source.eventId) : null,
    joinKeys: joinKeys.map((key) => [key.name, key.type.name]),
    columns: columns.map((column) => [column.name, column.type.name]),
    latest: latestColumns(features),
    spanMs,
    keep: hasLifetime ? 'all' : keep,
    ...(source.movesEvents ? { movesEvents: true } : {}),
  };
  return {
    name: view.name,
    source,
    entity: entity.name,
    joinKeys,
    columns,
    numberColumns: columns.filter((column) => column.kind === 'number').length,
    features,
    filters,
    groups: groupFeatures(features),
    latestColumns: latestColumns(features),
    derived: [...derived.values()],
    latest: features.flatMap((feature, index) => (isLatest(feature) ? [index] : [])),
    longestWindowMs,
    hasLifetime,
    ttlMs,
    historyMs,
    spanMs,
    tileMs,
    keep,
    hasId,
    online: view.online ?? true,
    partitionBy,
    stateHash: digest(state).subarray(0, 8),
    version: digest({
      state,
      features: features.map((feature, index) => versionedFeature(feature, filters, derived.get(index))),
      ttlMs,
    }).toString('hex'),
  };
}

function isLatest(feature: PlanFeature): boolean {
  return feature.windowMs === 0 && feature.aggregate !== 'expression';
}

function latestColumns(features: readonly PlanFeature[]): number[] {
  return [...new Set(features.filter(isLatest).map((feature) => feature.column))].sort((a, b) => a - b);
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

function partitioning(source: SourcePlan, joinKeys: ViewPlan['joinKeys']): readonly number[] | null {
  if (source.key.length === 0) return null;
  const indexes = source.key.map((column) => joinKeys.findIndex((key) => key.source === column));
  return indexes.includes(-1) ? null : indexes;
}

function columnText(source: SourcePlan, index: number): readonly [string, string] {
  const column = source.columns[index] as (typeof source.columns)[number];
  return [column.name, column.type.name];
}

function digest(value: unknown): Buffer {
  return createHash('sha256').update(canonical(value)).digest();
}
