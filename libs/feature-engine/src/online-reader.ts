import { partitionOf } from '@millrace/event-log';
import type { OnlineStore } from '@millrace/online-store';
import { chunkIndexOf, Chunk } from './chunk.js';
import { decodeChunk } from './chunk-codec.js';
import type { Value } from './column-type.js';
import { encodeEntityKey, recordKeyOf } from './entity-key.js';
import { evaluate, type EntityState, type Latest, type ViewRow } from './evaluate.js';
import { decodeHead, decodeLatest, horizonOf, latestValue, type LatestEvent } from './head.js';
import { withOnDemand } from './on-demand/with-on-demand.js';
import type { ServicePlan } from './service-plan.js';
import type { Status } from './status.js';
import { checkpointKey, chunkKey, decodeCheckpoint, headKey } from './store-keys.js';
import type { ViewPlan } from './view-plan.js';

/** One entity row: join key -> value, already of the key's type. */
export type EntityRow = Readonly<Record<string, Exclude<Value, null>>>;

/** One feature over all rows. */
export interface FeatureColumn {
  readonly view: string;
  readonly name: string;
  readonly type: string;
  readonly values: Value[];
  readonly statuses: Status[];
  readonly times: number[];
}

/** How far each view was applied when it was read: view -> partition -> next offset. Together with the definitions it names the values for ever. */
export type ViewPositions = Readonly<Record<string, Readonly<Record<number, number>>>>;

export interface FeatureVectors {
  /** In the order of the service's features. */
  readonly columns: readonly FeatureColumn[];
  readonly positions: ViewPositions;
}

/** Of a service whose features rest on the request alone. */
const NOTHING: FeatureVectors = { columns: [], positions: {} };

/** One (row, view) pair on its way. */
interface Lookup {
  readonly view: number;
  readonly row: number;
  readonly at: number;
  readonly entity: Buffer;
  readonly partitions: readonly number[];
  /** Chunks to read, besides the head. */
  chunks: readonly number[];
}

/** Reads are one snapshot; when one asks for more chunks, all is read again. More rounds than this would mean that the horizon runs away. */
const MOST_ROUNDS = 4;

/** Serves feature values from the online store: one round trip for all rows and views. */
export class OnlineReader {
  readonly #store: OnlineStore;
  readonly #partitionsOf: (topic: string) => number;

  /** `partitionsOf`: the frozen partition count of a source's topic. */
  constructor(store: OnlineStore, partitionsOf: (topic: string) => number) {
    this.#store = store;
    this.#partitionsOf = partitionsOf;
  }

  /**
   * The features' values for each row, at `at` (one time, or one for each row; milliseconds since the epoch). `request` has what the caller brings: for each
   * of the service's request fields its values by row. What on-demand features are computed from is read once, with everything else. Each read of the
   * store is given up after `withinMs`.
   */
  readVectors(
    service: ServicePlan,
    rows: readonly EntityRow[],
    at: number | readonly number[],
    request: readonly (readonly Value[])[] = [],
    withinMs?: number,
  ): Promise<FeatureVectors> {
    return service.onDemand.length === 0
      ? this.#readStored(service, rows, at, withinMs)
      : this.#readOnDemand(service, rows, at, request, withinMs);
  }

  async #readOnDemand(
    service: ServicePlan,
    rows: readonly EntityRow[],
    at: number | readonly number[],
    request: readonly (readonly Value[])[],
    withinMs: number | undefined,
  ): Promise<FeatureVectors> {
    const stored = service.views.length === 0 ? NOTHING : await this.#readStored(service, rows, at, withinMs);
    return withOnDemand(service, stored, request, rows.length, at);
  }

  async #readStored(
    service: ServicePlan,
    rows: readonly EntityRow[],
    at: number | readonly number[],
    withinMs: number | undefined,
  ): Promise<FeatureVectors> {
    if (typeof at === 'number' && service.views.every((plan) => this.#isTold(plan))) {
      const vectors = await this.#readLatest(service, rows, at, withinMs);
      if (vectors) return vectors;
    }
    const lookups: Lookup[] = [];
    for (let view = 0; view < service.views.length; view++) {
      const plan = service.views[view] as ViewPlan;
      const all = plan.partitionBy ? [] : range(this.#partitionsOf(plan.source.topic));
      for (let row = 0; row < rows.length; row++) lookups.push(this.#lookup(plan, view, rows, row, at, all));
    }
    const results: ViewRow[] = lookups.map(() => ({ values: [], statuses: [], times: [] }));
    let positions: ViewPositions = {};
    for (let round = 1; ; round++) {
      let complete = true;
      const states = await this.#fetch(service.views, lookups, withinMs);
      positions = states.positions;
      for (let index = 0; index < lookups.length; index++) {
        const lookup = lookups[index] as Lookup;
        const state = states.entities[index] as LoadedEntity;
        const plan = service.views[lookup.view] as ViewPlan;
        const missing = evaluate(plan, lookup.at, state, results[index] as ViewRow);
        if (!missing) continue;
        if (round === MOST_ROUNDS) throw new Error(`feature view ${plan.name}: chunks ${missing.join(', ')} did not settle`);
        lookup.chunks = [...new Set([...lookup.chunks, ...missing])];
        complete = false;
      }
      if (complete) break;
    }
    const columns = service.stored.map(({ view, feature, name }): FeatureColumn => {
      const first = service.views.indexOf(view) * rows.length;
      const own = results.slice(first, first + rows.length);
      return {
        view: view.name,
        name,
        type: (view.features[feature] as ViewPlan['features'][number]).type,
        values: own.map((result) => result.values[feature] as Value),
        statuses: own.map((result) => result.statuses[feature] as Status),
        times: own.map((result) => result.times[feature] as number),
      };
    });
    return { columns, positions };
  }

  /** Next offsets applied to a view, by partition. */
  async checkpoints(plan: ViewPlan): Promise<number[]> {
    const partitions = range(this.#partitionsOf(plan.source.topic));
    const found = await this.#store.getMany(partitions.map((partition) => checkpointKey(plan, partition)));
    return found.map((value) => decodeCheckpoint(value));
  }

  /** Whether a head alone tells a view's values now: no windows, and one partition that has all of an entity. */
  #isTold(plan: ViewPlan): boolean {
    const isLatest = plan.latest.length === plan.features.length;
    return isLatest && (plan.partitionBy !== null || this.#partitionsOf(plan.source.topic) === 1);
  }

  /**
   * Latest values from the heads alone, which is what nearly every read of views without windows comes down to. `undefined` when an entity's
   * latest event is later than `at`: what stood before it is in its chunks.
   */
  async #readLatest(
    service: ServicePlan,
    rows: readonly EntityRow[],
    at: number,
    withinMs: number | undefined,
  ): Promise<FeatureVectors | undefined> {
    const { views } = service;
    const heads: Buffer[] = [];
    const checkpoints: Buffer[] = [];
    const partitions = views.map((plan) => {
      const count = this.#partitionsOf(plan.source.topic);
      const involved = new Set<number>();
      for (const row of rows) {
        const values = plan.joinKeys.map((key) => row[key.name] as Value);
        const partition = plan.partitionBy ? ownPartition(plan.partitionBy, values, count) : 0;
        involved.add(partition);
        heads.push(headKey(plan, encodeEntityKey(values), partition));
      }
      for (const partition of involved) checkpoints.push(checkpointKey(plan, partition));
      return involved;
    });
    const found = await this.#store.getMany([...heads, ...checkpoints], withinMs);
    const columns = service.stored.map(({ view, feature, name }): FeatureColumn => {
      const { type } = view.features[feature] as ViewPlan['features'][number];
      const [values, statuses, times] = [new Array<Value>(rows.length), new Array<Status>(rows.length), new Array<number>(rows.length)];
      return { view: view.name, name, type, values, statuses, times };
    });
    const positions: Record<string, Record<number, number>> = {};
    let next = heads.length;
    for (let view = 0; view < views.length; view++) {
      const plan = views[view] as ViewPlan;
      const asked = service.stored.flatMap((item, index) =>
        item.view === plan ? [{ feature: item.feature, column: columns[index] as FeatureColumn }] : [],
      );
      const state = new HeadState(plan);
      const result: ViewRow = { values: [], statuses: [], times: [] };
      for (let row = 0; row < rows.length; row++) {
        const head = found[view * rows.length + row] as Buffer | null;
        if (!state.holds(head, at)) return undefined;
        evaluate(plan, at, state, result);
        for (let index = 0; index < asked.length; index++) {
          const { feature, column } = asked[index] as (typeof asked)[number];
          column.values[row] = result.values[feature] as Value;
          column.statuses[row] = result.statuses[feature] as Status;
          column.times[row] = result.times[feature] as number;
        }
      }
      const own: Record<number, number> = (positions[plan.name] = {});
      for (const partition of partitions[view] as Set<number>) own[partition] = decodeCheckpoint(found[next++] as Buffer | null);
    }
    return { columns, positions };
  }

  #lookup(
    plan: ViewPlan,
    view: number,
    rows: readonly EntityRow[],
    row: number,
    at: number | readonly number[],
    all: readonly number[],
  ): Lookup {
    const values = plan.joinKeys.map((key) => (rows[row] as EntityRow)[key.name] as Value);
    const time = typeof at === 'number' ? at : (at[row] as number);
    const partitions = plan.partitionBy ? [ownPartition(plan.partitionBy, values, this.#partitionsOf(plan.source.topic))] : all;
    const newest = chunkIndexOf(plan, time);
    const oldest = plan.longestWindowMs === 0 ? newest : chunkIndexOf(plan, time - plan.longestWindowMs);
    const chunks = range(newest - oldest + 1).map((step) => oldest + step);
    return { view, row, at: time, entity: encodeEntityKey(values), partitions, chunks };
  }

  async #fetch(
    views: readonly ViewPlan[],
    lookups: readonly Lookup[],
    withinMs: number | undefined,
  ): Promise<{ entities: LoadedEntity[]; positions: ViewPositions }> {
    const keys: Buffer[] = [];
    const perView = views.map((plan, view) => {
      const partitions = [...new Set(lookups.flatMap((lookup) => (lookup.view === view ? lookup.partitions : [])))];
      for (const partition of partitions) keys.push(checkpointKey(plan, partition));
      return partitions;
    });
    for (const { view, entity, partitions, chunks } of lookups) {
      const plan = views[view] as ViewPlan;
      for (const partition of partitions) {
        keys.push(headKey(plan, entity, partition));
        for (const chunk of chunks) keys.push(chunkKey(plan, entity, partition, chunk));
      }
    }
    const found = await this.#store.getMany(keys, withinMs);
    let next = 0;
    const positions: Record<string, Record<number, number>> = {};
    for (const [view, partitions] of perView.entries()) {
      const own: Record<number, number> = (positions[(views[view] as ViewPlan).name] = {});
      for (const partition of partitions) own[partition] = decodeCheckpoint(found[next++] as Buffer | null);
    }
    const entities = lookups.map(({ view, partitions, chunks }) => {
      const plan = views[view] as ViewPlan;
      const state = new LoadedEntity(plan, partitions.length === 1);
      for (let place = 0; place < partitions.length; place++) {
        state.addHead(found[next++] as Buffer | null);
        for (const chunk of chunks) state.addChunk(chunk, found[next++] as Buffer | null);
      }
      state.complete(chunks);
      return state;
    });
    return { entities, positions };
  }
}

/** An entity as it was read, its partitions merged in ascending order. */
class LoadedEntity implements EntityState {
  indexes: readonly number[] = [];
  horizon = -Infinity;
  latest: Latest | undefined;
  behind: Latest | undefined;
  readonly #chunks = new Map<number, Chunk>();
  /** Chunks whose content belongs to this object and may be merged into. */
  readonly #own = new Set<number>();

  constructor(
    private readonly plan: ViewPlan,
    private readonly isAlone: boolean,
  ) {}

  addHead(stored: Buffer | null): void {
    if (!stored) return;
    const head = decodeHead(this.plan, stored);
    this.indexes = this.indexes.length === 0 ? head.chunks : [...new Set([...this.indexes, ...head.chunks])].sort((a, b) => a - b);
    if (head.truncated) this.horizon = Math.max(this.horizon, horizonOf(this.plan, head));
    // Of several partitions, one may hold an event that another's supersedes: then only the merged chunks tell the latest.
    if (!this.isAlone) return;
    this.latest = head.chunks.length === 0 ? undefined : latestOf(this.plan, head.latest);
    this.behind = head.behind ? latestOf(this.plan, head.behind) : undefined;
  }

  addChunk(index: number, stored: Buffer | null): void {
    if (!stored) return;
    const chunk = decodeChunk(this.plan, index, stored);
    const before = this.#chunks.get(index);
    if (!before) {
      this.#chunks.set(index, chunk);
      return;
    }
    let merged = before;
    if (!this.#own.has(index)) {
      merged = new Chunk(this.plan, index);
      merged.mergeChunk(before);
      this.#own.add(index);
      this.#chunks.set(index, merged);
    }
    merged.mergeChunk(chunk);
  }

  /** Chunks that were asked for and are not there hold nothing. A partition's horizon hides what the others still have below it. */
  complete(asked: readonly number[]): void {
    this.indexes = this.indexes.filter((index) => index > this.horizon && (this.#chunks.has(index) || !asked.includes(index)));
  }

  chunk(index: number): Chunk | undefined {
    return this.#chunks.get(index);
  }
}

/** An entity of which only the latest event matters; one object serves row after row. */
class HeadState implements EntityState, Latest {
  readonly indexes: readonly number[] = [];
  readonly horizon = -Infinity;
  readonly behind = undefined;
  latest: Latest | undefined;
  time = 0;
  #values: readonly Value[] = [];
  /** Where a column's value is among the latest ones, by the column's index. */
  readonly #places: readonly number[];

  constructor(private readonly plan: ViewPlan) {
    this.#places = plan.columns.map((_, column) => plan.latestColumns.indexOf(column));
  }

  /** Takes a stored head; false when its latest event is later than `at`. */
  holds(stored: Buffer | null, at: number): boolean {
    this.latest = undefined;
    if (!stored) return true;
    const { time, values } = decodeLatest(this.plan, stored);
    this.latest = this;
    this.time = time;
    this.#values = values;
    return time <= at;
  }

  chunk(): undefined {
    return undefined;
  }

  value(column: number): Value {
    return this.#values[this.#places[column] as number] ?? null;
  }
}

function latestOf(plan: ViewPlan, event: LatestEvent): Latest {
  return { time: event.time, value: (column) => latestValue(plan, event, column) };
}

/** The partition that has all events of an entity, where its keys hold the record key. */
function ownPartition(partitionBy: readonly number[], values: readonly Value[], count: number): number {
  return partitionOf(recordKeyOf(partitionBy.map((key) => values[key] as Value)), count);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
