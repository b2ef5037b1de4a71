import { chunkIndexOf, type Chunk } from './chunk.js';
import type { Value } from './column-type.js';
import { Status } from './status.js';
import type { DerivedFeature, PlanFeature, ViewPlan } from './view-plan.js';
import { foldWindow, windowStart, windowValue } from './window.js';

/** What is known of one entity when a value is asked for, its partitions merged. */
export interface EntityState {
  /** Chunks that hold events, ascending. */
  readonly indexes: readonly number[];
  /** One of them; `undefined` when it has not been loaded. */
  chunk(index: number): Chunk | undefined;
  /** Events of this chunk and earlier ones may be gone; -Infinity when all are here. */
  readonly horizon: number;
  /** The latest event of all, where it is known without its chunk. */
  readonly latest: Latest | undefined;
  /** The latest event at or before the horizon, where it is known. */
  readonly behind: Latest | undefined;
}

/** An event that latest values may be taken from. */
export interface Latest {
  readonly time: number;
  value(column: number): Value;
}

/** Values of one view for one row, by the plan's features. */
export interface ViewRow {
  readonly values: Value[];
  readonly statuses: Status[];
  /** Time of the newest event that the value rests on; 0 when it rests on none, or on one that is too old to be told of. */
  readonly times: number[];
}

/**
 * A view's values at `at`: windows over [at - window, at) (see {@link windowStart} for other kinds), latest values at or before `at` and, with a ttl,
 * at or after `at - ttl`; then what is computed from these. The only function that gives values, online and offline. Returns the chunks it would need and does not have, or `undefined` when `row` is filled.
 */
export function evaluate(plan: ViewPlan, at: number, entity: EntityState, row: ViewRow): number[] | undefined {
  const missing = missingChunks(plan, at, entity);
  if (missing.length > 0) return missing;
  const found = latestAt(plan, at, entity);
  const firstKept = (entity.horizon + 1) * plan.spanMs;
  // Nothing at or before `at` is here. Something may have been: then only its being long gone, or not, can be told; and where corrections move events, it may
  // have come back.
  if (!found && !(at >= firstKept && entity.horizon > -Infinity && !plan.source.movesEvents)) {
    fill(row, plan.features.length, entity.horizon > -Infinity ? Status.INVALID : Status.NOT_FOUND);
    return undefined;
  }
  for (const index of plan.latest) latestFeature(plan, at, plan.features[index] as PlanFeature, index, found, firstKept, row);
  for (const group of plan.groups) {
    const reach = at - group.windowMs;
    if (entity.horizon > -Infinity && chunkIndexOf(plan, reach) <= entity.horizon) {
      for (const index of group.features) set(row, index, null, Status.INVALID, 0);
      continue;
    }
    // Events' times are whole milliseconds, so [from, at] is [from, at + 1).
    const to = group.includeCurrent ? Math.floor(at) + 1 : at;
    let chunks = chunksBetween(plan, entity, reach, to - 1);
    if (group.filter >= 0) chunks = chunks.map((chunk) => chunk.where(group.filter));
    const from = group.kind === 'sliding' ? reach : windowStart(group, chunks, at, to);
    const totals = foldWindow(plan, chunks, from, to, group);
    for (const index of group.features) {
      const value = windowValue(plan, plan.features[index] as PlanFeature, totals);
      set(row, index, value, value === null ? Status.NULL_VALUE : Status.PRESENT, totals.lastTime);
    }
  }
  for (const derived of plan.derived) derivedFeature(at, derived, row);
  return undefined;
}

/** What rests on a value that cannot be told cannot be told; any other that is missing is null to the expression. */
function derivedFeature(at: number, { feature, inputs, evaluate: compute }: DerivedFeature, row: ViewRow): void {
  if (inputs.some((input) => row.statuses[input] === Status.INVALID)) return set(row, feature, null, Status.INVALID, 0);
  const value = compute(row.values, Math.floor(at));
  const time = inputs.reduce((newest, input) => Math.max(newest, row.times[input] as number), 0);
  set(row, feature, value, value === null ? Status.NULL_VALUE : Status.PRESENT, time);
}

function latestFeature(
  plan: ViewPlan,
  at: number,
  feature: PlanFeature,
  index: number,
  found: Latest | undefined,
  firstKept: number,
  row: ViewRow,
): void {
  const { ttlMs } = plan;
  if (!found) {
    // The latest event is behind the horizon. Whatever it is, it may be known to be too old.
    set(row, index, null, ttlMs > 0 && at - ttlMs >= firstKept ? Status.OUTSIDE_MAX_AGE : Status.INVALID, 0);
  } else if (ttlMs > 0 && found.time < at - ttlMs) set(row, index, null, Status.OUTSIDE_MAX_AGE, 0);
  else {
    const value = found.value(feature.column);
    set(row, index, value, value === null ? Status.NULL_VALUE : Status.PRESENT, found.time);
  }
}

/** Chunks that the windows reach into, and those that a latest value has to be looked for in. */
function missingChunks(plan: ViewPlan, at: number, entity: EntityState): number[] {
  const missing: number[] = [];
  const newest = chunkIndexOf(plan, at);
  const reach = plan.hasLifetime ? Infinity : plan.longestWindowMs;
  const oldest = reach === 0 ? newest : chunkIndexOf(plan, at - reach);
  let searching = !(entity.latest && entity.latest.time <= at);
  for (let place = entity.indexes.length - 1; place >= 0; place--) {
    const index = entity.indexes[place] as number;
    if (index > newest) continue;
    if (index < oldest && !searching) break;
    const chunk = entity.chunk(index);
    if (!chunk) missing.push(index);
    else if (chunk.lowerBound(at + 1) > 0) searching = false;
  }
  return missing;
}

function latestAt(plan: ViewPlan, at: number, entity: EntityState): Latest | undefined {
  if (entity.latest && entity.latest.time <= at) return entity.latest;
  const newest = chunkIndexOf(plan, at);
  for (let place = entity.indexes.length - 1; place >= 0; place--) {
    const index = entity.indexes[place] as number;
    if (index > newest) continue;
    const chunk = entity.chunk(index) as Chunk;
    const last = chunk.lowerBound(at + 1) - 1;
    if (last >= 0) return { time: chunk.start + (chunk.times[last] as number), value: (column) => chunk.value(column, last) };
  }
  return entity.behind && entity.behind.time <= at ? entity.behind : undefined;
}

function chunksBetween(plan: ViewPlan, entity: EntityState, from: number, to: number): Chunk[] {
  const low = chunkIndexOf(plan, from);
  const high = chunkIndexOf(plan, to);
  const chunks: Chunk[] = [];
  for (let place = entity.indexes.length - 1; place >= 0; place--) {
    const index = entity.indexes[place] as number;
    if (index < low) break;
    if (index <= high) chunks.push(entity.chunk(index) as Chunk);
  }
  return chunks.reverse();
}

function fill(row: ViewRow, count: number, status: Status): void {
  for (let index = 0; index < count; index++) set(row, index, null, status, 0);
}

function set(row: ViewRow, index: number, value: Value, status: Status, time: number): void {
  row.values[index] = value;
  row.statuses[index] = status;
  row.times[index] = time;
}
