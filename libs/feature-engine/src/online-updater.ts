import type { OnlineGuard, OnlineStore, OnlineWrite } from '@millrace/online-store';
import { chunkIndexOf, Chunk } from './chunk.js';
import { decodeChunk, encodeChunk } from './chunk-codec.js';
import type { Value } from './column-type.js';
import { encodeEntityKey, entityKeyText } from './entity-key.js';
import { addBehind, decodeHead, encodeHead, horizonOf, keepsBehind, lastOf, newHead, noEvent, type Head } from './head.js';
import { KeptBytes } from './kept-bytes.js';
import type { SourceEvent } from './source-event.js';
import { checkpointKey, chunkKey, decodeCheckpoint, encodeCheckpoint, headKey, leavingKey } from './store-keys.js';
import type { ViewPlan } from './view-plan.js';

/** One entity of one partition, as far as it is in memory. */
interface Entity {
  readonly key: Buffer;
  readonly headKey: Buffer;
  head: Head | null;
  /** Chunks in memory; one that the head names and that is not here is in the store. */
  readonly chunks: Map<number, Chunk>;
  /** Key of the chunk that was written last, and its index: the next event is most often of the same. */
  chunkKey: Buffer | undefined;
  keyedChunk: number;
}

/** About what an entity without events costs in memory, in events. */
const WEIGHT_OF_ENTITY = 20;

/** What a batch does to one entity. */
interface Touched {
  readonly entity: Entity;
  /** In log order. */
  readonly events: SourceEvent[];
  /** Chunks that the events belong to, each once. */
  readonly indexes: number[];
  readonly isNew: boolean;
}

/** A batch's effect, to be written in one step. */
export interface StagedBatch {
  readonly writes: OnlineWrite[];
  readonly guards: readonly OnlineGuard[];
}

export interface OnlineUpdaterOptions {
  readonly plan: ViewPlan;
  readonly store: OnlineStore;
  readonly partition: number;
  /** Events held in memory between batches; beyond it the entities touched longest ago are dropped and read again when needed. */
  readonly maxCachedEvents?: number;
}

/**
 * Keeps one view's state of one partition up to the log. A batch is staged (loaded, merged, encoded once), then written by the caller in one
 * step together with the checkpoint and under its guards: whoever's checkpoint is not the stored one has lost the partition, or the store was
 * emptied, and must {@link load} again; so must whoever writes to a state that is to be removed. So each event counts once, whatever crashes or overlaps.
 */
export class OnlineUpdater {
  readonly plan: ViewPlan;
  readonly #store: OnlineStore;
  readonly #partition: number;
  readonly #checkpointKey: Buffer;
  /** Nobody removes the state: what is removed and what is written would be mixed. */
  readonly #isKept: OnlineGuard;
  readonly #maxCached: number;
  /** In the order of the last touch. */
  #entities = new Map<string, Entity>();
  #cachedEvents = 0;
  /** Keys of entities, which stay as long as those do, and of chunks, which stay for a span. */
  readonly #entityKeys = new KeptBytes();
  readonly #chunkKeys = new KeptBytes();
  #checkpoint: Buffer | null = null;
  #next = 0;

  constructor(options: OnlineUpdaterOptions) {
    this.plan = options.plan;
    this.#store = options.store;
    this.#partition = options.partition;
    this.#checkpointKey = checkpointKey(options.plan, options.partition);
    this.#isKept = { key: leavingKey(options.plan.stateHash), value: null };
    this.#maxCached = options.maxCachedEvents ?? 2_000_000;
  }

  /** Offset of the next record to apply. */
  get nextOffset(): number {
    return this.#next;
  }

  /** Forgets what is in memory and reads the checkpoint. */
  async load(): Promise<void> {
    this.#forget();
    const [stored] = await this.#store.getMany([this.#checkpointKey]);
    this.#checkpoint = stored ?? null;
    this.#next = decodeCheckpoint(this.#checkpoint);
  }

  /** Whether the stored checkpoint is still the one this updater knows, and the state is not to be removed. */
  async isCurrent(): Promise<boolean> {
    const [stored, mark] = await this.#store.getMany([this.#checkpointKey, this.#isKept.key]);
    if (mark) return false;
    return stored ? this.#checkpoint !== null && stored.equals(this.#checkpoint) : this.#checkpoint === null;
  }

  /**
   * Works the batch into memory and returns what to write. Events before {@link nextOffset} are ignored. After a write that did not
   * happen, {@link load} before the next batch: memory is ahead of the store.
   */
  async stage(events: readonly SourceEvent[], nextOffset: number): Promise<StagedBatch> {
    const touched = this.#group(events);
    await this.#fetch(touched);
    const writes: OnlineWrite[] = [];
    for (const change of touched.values()) {
      if (this.plan.source.movesEvents) this.#applyMoving(change, writes);
      else this.#apply(change, writes);
    }
    const guards = [{ key: this.#checkpointKey, value: this.#checkpoint }, this.#isKept];
    this.#next = Math.max(this.#next, nextOffset);
    this.#checkpoint = encodeCheckpoint(this.#next);
    writes.push({ key: this.#checkpointKey, value: this.#checkpoint });
    this.#evict();
    return { writes, guards };
  }

  /** Stages and writes. False: the guard did not hold; {@link load} and read on from {@link nextOffset}. */
  async apply(events: readonly SourceEvent[], nextOffset: number): Promise<boolean> {
    const { writes, guards } = await this.stage(events, nextOffset);
    return this.#store.writeMany(writes, guards);
  }

  #group(events: readonly SourceEvent[]): Map<string, Touched> {
    const touched = new Map<string, Touched>();
    const { plan } = this;
    const { joinKeys } = plan;
    const single = joinKeys.length === 1 ? (joinKeys[0] as (typeof joinKeys)[number]).source : -1;
    for (const event of events) {
      if (event.offset < this.#next) continue;
      const text = single >= 0 ? String(event.values[single]) : entityKeyText(joinKeys.map((key) => event.values[key.source] as Value));
      let change = touched.get(text);
      if (!change) touched.set(text, (change = this.#touch(text, event)));
      change.events.push(event);
      const index = chunkIndexOf(plan, event.time);
      if (!change.indexes.includes(index)) change.indexes.push(index);
    }
    return touched;
  }

  #touch(text: string, event: SourceEvent): Touched {
    const known = this.#entities.get(text);
    if (known) {
      // Those last touched stand last, as soon as some may have to go; before, moving them would be work for nothing.
      if (this.#weight() > this.#maxCached / 2) {
        this.#entities.delete(text);
        this.#entities.set(text, known);
      }
      return { entity: known, events: [], indexes: [], isNew: false };
    }
    const key = this.#entityKeys.keep(encodeEntityKey(this.plan.joinKeys.map((joinKey) => event.values[joinKey.source] as Value)));
    const entity = {
      key,
      headKey: this.#entityKeys.keep(headKey(this.plan, key, this.#partition)),
      head: null,
      chunks: new Map(),
      chunkKey: undefined,
      keyedChunk: 0,
    };
    this.#entities.set(text, entity);
    return { entity, events: [], indexes: [], isNew: true };
  }

  /** Reads heads and chunks that are not in memory: one round trip, and a second for chunks that fall behind the horizon and hold a latest value. */
  async #fetch(touched: ReadonlyMap<string, Touched>): Promise<void> {
    let keys: Buffer[] = [];
    let takers: ((value: Buffer | null) => void)[] = [];
    const wantChunk = (entity: Entity, index: number): void => {
      keys.push(chunkKey(this.plan, entity.key, this.#partition, index));
      takers.push((value) => {
        if (value) this.#cache(entity, decodeChunk(this.plan, index, value));
      });
    };
    const read = async (): Promise<void> => {
      if (keys.length === 0) return;
      const found = await this.#store.getMany(keys);
      for (let at = 0; at < takers.length; at++) (takers[at] as (typeof takers)[number])(found[at] as Buffer | null);
      keys = [];
      takers = [];
    };
    for (const { entity, indexes, isNew } of touched.values()) {
      if (isNew) {
        keys.push(entity.headKey);
        takers.push((value) => {
          entity.head = value && decodeHead(this.plan, value);
        });
      }
      for (const index of indexes) {
        if (entity.chunks.has(index)) continue;
        if (isNew || entity.head?.chunks.includes(index)) wantChunk(entity, index);
      }
    }
    await read();
    if (this.plan.source.movesEvents) {
      // What is corrected may be in any of them.
      for (const { entity } of touched.values()) {
        for (const index of entity.head?.chunks ?? []) if (!entity.chunks.has(index)) wantChunk(entity, index);
      }
      return read();
    }
    if (this.plan.latestColumns.length === 0) return;
    for (const { entity, indexes } of touched.values()) {
      if (!entity.head) continue;
      const horizon = Math.max(...indexes) - this.plan.keep;
      const last = entity.head.chunks.findLast((index) => index <= horizon);
      if (last !== undefined && !entity.chunks.has(last)) wantChunk(entity, last);
    }
    await read();
  }

  /** Event by event in log order, so that the result does not depend on where batches are cut; what can be, is merged once per chunk. */
  #apply({ entity, events, indexes }: Touched, writes: OnlineWrite[]): void {
    const { plan } = this;
    const head = (entity.head ??= newHead(chunkIndexOf(plan, (events[0] as SourceEvent).time)));
    if (indexes.length === 1 && indexes[0] === head.newest) this.#applyNewest(entity, head, events, writes);
    else this.#applyAny(entity, head, events, writes);
    this.#letGo(entity, head);
    head.appliedOffset = (events[events.length - 1] as SourceEvent).offset;
    writes.push({ key: entity.headKey, value: encodeHead(plan, head) });
  }

  /** What nearly every batch is: events of the newest chunk. */
  #applyNewest(entity: Entity, head: Head, events: readonly SourceEvent[], writes: OnlineWrite[]): void {
    const chunk = this.#merge(entity, head.newest, events);
    writes.push({ key: this.#chunkKey(entity, head.newest), value: encodeChunk(chunk) });
    addSorted(head.chunks, head.newest);
    head.latest = lastOf(this.plan, chunk);
  }

  #applyAny(entity: Entity, head: Head, events: readonly SourceEvent[], writes: OnlineWrite[]): void {
    const { plan } = this;
    const pending = new Map<number, SourceEvent[]>();
    const gone: number[] = [];
    for (const event of events) {
      const index = chunkIndexOf(plan, event.time);
      if (index > head.newest) this.#advance(entity, head, index, pending, gone);
      else if (index <= horizonOf(plan, head)) {
        addBehind(plan, head, event);
        continue;
      }
      const group = pending.get(index);
      if (group) group.push(event);
      else pending.set(index, [event]);
    }
    for (const index of gone) writes.push({ key: chunkKey(plan, entity.key, this.#partition, index), value: null });
    for (const [index, group] of pending) {
      const chunk = this.#merge(entity, index, group);
      writes.push({ key: this.#chunkKey(entity, index), value: encodeChunk(chunk) });
      addSorted(head.chunks, index);
      if (index === head.newest) head.latest = lastOf(plan, chunk);
    }
  }

  /** The same where an event may supersede one of another chunk: each is placed before the next is looked at. All kept chunks are in memory. */
  #applyMoving({ entity, events }: Touched, writes: OnlineWrite[]): void {
    const { plan } = this;
    const head = (entity.head ??= newHead(chunkIndexOf(plan, (events[0] as SourceEvent).time)));
    const changed = new Set<number>();
    const gone: number[] = [];
    for (const event of events) {
      const index = chunkIndexOf(plan, event.time);
      const isKept = index > horizonOf(plan, head);
      // First, so that what falls behind the horizon has lost it.
      this.#withdraw(entity, head, event, isKept ? index : undefined, changed);
      if (index > head.newest) this.#advance(entity, head, index, new Map(), gone);
      if (!isKept) {
        addBehind(plan, head, event);
        continue;
      }
      this.#merge(entity, index, [event]);
      addSorted(head.chunks, index);
      changed.add(index);
    }
    for (const index of new Set([...gone, ...changed])) {
      const chunk = entity.chunks.get(index);
      writes.push({ key: chunkKey(plan, entity.key, this.#partition, index), value: chunk ? encodeChunk(chunk) : null });
    }
    const last = head.chunks.at(-1);
    head.latest = last === undefined ? noEvent(plan) : lastOf(plan, entity.chunks.get(last) as Chunk);
    head.appliedOffset = (events[events.length - 1] as SourceEvent).offset;
    writes.push({ key: entity.headKey, value: encodeHead(plan, head) });
  }

  /** Takes what an event supersedes out of every chunk but its own, which sees to that itself. */
  #withdraw(entity: Entity, head: Head, { idHigh, idLow }: SourceEvent, own: number | undefined, changed: Set<number>): void {
    for (const index of head.chunks) {
      const chunk = entity.chunks.get(index);
      if (index === own || !chunk?.withdraw(idHigh, idLow)) continue;
      this.#cachedEvents--;
      changed.add(index);
      if (chunk.count === 0) {
        entity.chunks.delete(index);
        head.chunks = head.chunks.filter((other) => other !== index);
      }
      break;
    }
    if (own !== undefined && head.behind?.idLow === idLow && head.behind.idHigh === idHigh) head.behind = null;
  }

  /** A new newest chunk: those that fall behind the horizon go, and the last of them leaves its latest event. */
  #advance(entity: Entity, head: Head, newest: number, pending: Map<number, SourceEvent[]>, gone: number[]): void {
    const { plan } = this;
    head.newest = newest;
    const horizon = horizonOf(plan, head);
    const falling = new Set([...head.chunks, ...pending.keys()].filter((index) => index <= horizon));
    if (falling.size === 0) return;
    if (keepsBehind(plan)) {
      const last = Math.max(...falling);
      const late = pending.get(last);
      // One that is not in memory here is followed by another in this batch, whose latest event takes its place.
      const chunk = late ? this.#merge(entity, last, late) : entity.chunks.get(last);
      head.behind = chunk ? lastOf(plan, chunk) : null;
    }
    head.truncated = true;
    head.chunks = head.chunks.filter((index) => index > horizon);
    for (const index of falling) {
      pending.delete(index);
      this.#uncache(entity, index);
      gone.push(index);
    }
  }

  #merge(entity: Entity, index: number, events: readonly SourceEvent[]): Chunk {
    let chunk = entity.chunks.get(index);
    if (!chunk) this.#cache(entity, (chunk = new Chunk(this.plan, index)));
    const before = chunk.count;
    chunk.merge(events);
    this.#cachedEvents += chunk.count - before;
    return chunk;
  }

  #chunkKey(entity: Entity, index: number): Buffer {
    if (entity.chunkKey === undefined || entity.keyedChunk !== index) {
      entity.chunkKey = this.#chunkKeys.keep(chunkKey(this.plan, entity.key, this.#partition, index));
      entity.keyedChunk = index;
    }
    return entity.chunkKey;
  }

  #cache(entity: Entity, chunk: Chunk): void {
    entity.chunks.set(chunk.index, chunk);
    this.#cachedEvents += chunk.count;
  }

  /**
   * Lets go of what late events seldom come for: all chunks but the newest and the one before. So memory goes with the entities and the span of a
   * chunk, not with how far windows and history reach. What falls behind the horizon later, or gets a late event, is read again.
   */
  #letGo(entity: Entity, { newest }: Head): void {
    if (entity.chunks.size > 2) for (const index of [...entity.chunks.keys()]) if (index < newest - 1) this.#uncache(entity, index);
  }

  #uncache(entity: Entity, index: number): void {
    this.#cachedEvents -= entity.chunks.get(index)?.count ?? 0;
    entity.chunks.delete(index);
  }

  #evict(): void {
    for (const [text, entity] of this.#entities) {
      if (this.#weight() <= this.#maxCached) return;
      for (const index of [...entity.chunks.keys()]) this.#uncache(entity, index);
      this.#entities.delete(text);
    }
  }

  /** Entities without events cost memory too, so each counts for some. */
  #weight(): number {
    return this.#cachedEvents + this.#entities.size * WEIGHT_OF_ENTITY;
  }

  #forget(): void {
    this.#entities = new Map();
    this.#cachedEvents = 0;
  }
}

function addSorted(indexes: number[], index: number): void {
  if (indexes.includes(index)) return;
  indexes.push(index);
  indexes.sort((a, b) => a - b);
}
