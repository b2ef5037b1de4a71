import type { Value } from './column-type.js';
import { copyItems } from './copy-items.js';
import type { SourceEvent } from './source-event.js';
import { EMPTY_TILES, tileTable, type TileTable } from './tile-table.js';
import type { PlanColumn, PlanFilter, ViewPlan } from './view-plan.js';

/** One column of a chunk. Numbers hold null as NaN, which no event can carry. */
export type ChunkColumn =
  | { readonly kind: 'number'; values: Float64Array }
  | { readonly kind: 'bigint'; values: (bigint | null)[] }
  | { readonly kind: 'string'; values: (string | null)[] };

/** From here on ids are looked up in a hash filter; below, reading along them is faster. */
const FILTER_FROM = 48;
const NO_WORDS = new Uint32Array(0);

/** Which chunk an event time falls in. */
export function chunkIndexOf(plan: ViewPlan, time: number): number {
  return Math.floor(time / plan.spanMs);
}

/**
 * The events of one entity, in one span of event time, in canonical order: by event time, then partition, then offset, each id once (of two
 * with one id the later in the log stands). Its content is a function of the set of events alone, whatever the order they came in.
 */
export class Chunk {
  count = 0;
  /** Milliseconds after {@link start}. */
  times: Uint32Array;
  idHigh: Uint32Array;
  idLow: Uint32Array;
  readonly columns: ChunkColumn[];
  #filter = NO_WORDS;
  #filtered = 0;
  #tiles: TileTable | undefined;
  /** By filter. */
  #passing: Chunk[] | undefined;

  constructor(
    readonly plan: ViewPlan,
    readonly index: number,
    content?: {
      count: number;
      times: Uint32Array;
      idHigh: Uint32Array;
      idLow: Uint32Array;
      columns: ChunkColumn[];
      tiles: TileTable;
    },
  ) {
    this.count = content?.count ?? 0;
    this.times = content?.times ?? NO_WORDS;
    this.idHigh = content?.idHigh ?? NO_WORDS;
    this.idLow = content?.idLow ?? NO_WORDS;
    this.columns = content?.columns ?? plan.columns.map(emptyColumn);
    this.#tiles = content?.tiles;
  }

  /** First millisecond of the chunk's span. */
  get start(): number {
    return this.index * this.plan.spanMs;
  }

  /** Sums of the dense tiles; computed once after a change. */
  get tiles(): TileTable {
    this.#tiles ??= this.count === 0 ? EMPTY_TILES : tileTable(this);
    return this.#tiles;
  }

  value(column: number, at: number): Value {
    const { kind, values } = this.columns[column] as ChunkColumn;
    const value = values[at] as Value;
    return kind === 'number' && value !== value ? null : value;
  }

  /** The events that pass a filter, as a chunk of its own; made once after a change. It is for reading only and carries no ids. */
  where(filter: number): Chunk {
    const passing = (this.#passing ??= []);
    return (passing[filter] ??= this.#select(filter));
  }

  #select(filter: number): Chunk {
    const { passes } = this.plan.filters[filter] as PlanFilter;
    const rows = new Uint32Array(this.count);
    let count = 0;
    let at = 0;
    const row = { value: (column: number) => this.value(column, at) };
    for (; at < this.count; at++) if (passes(row) === true) rows[count++] = at;
    const chunk = new Chunk(this.plan, this.index);
    chunk.count = count;
    chunk.times = picked(this.times, rows, new Uint32Array(count));
    for (let index = 0; index < this.columns.length; index++) {
      const from = this.columns[index] as ChunkColumn;
      const column = chunk.columns[index] as ChunkColumn;
      if (from.kind === 'number') column.values = picked(from.values, rows, new Float64Array(count));
      else column.values = pickedItems(from.values, rows, count) as never;
    }
    return chunk;
  }

  /** First event at or after `time` (which may lie outside the chunk). */
  lowerBound(time: number): number {
    const delta = time - this.start;
    if (delta <= 0) return 0;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.times[middle] as number) < delta) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Takes events of this chunk's span, in log order (partition, then offset), all of them later in the log than what is here. */
  merge(events: readonly SourceEvent[]): void {
    const fresh = this.plan.hasId ? this.#withoutDuplicates(events) : events;
    const sorted = isSorted(fresh) ? fresh : [...fresh].sort((a, b) => a.time - b.time);
    this.#reserve(sorted.length);
    const { start, times } = this;
    let from = this.count - 1;
    let to = this.count + sorted.length - 1;
    for (let next = sorted.length - 1; next >= 0; next--) {
      const event = sorted[next] as SourceEvent;
      const delta = event.time - start;
      while (from >= 0 && (times[from] as number) > delta) this.#move(from--, to--);
      this.#place(event, delta, to--);
    }
    this.count += sorted.length;
    this.#tiles = undefined;
    this.#passing = undefined;
  }

  /** Takes out the event of this id; false when there is none. */
  withdraw(idHigh: number, idLow: number): boolean {
    if (this.count >= FILTER_FROM) {
      this.#growFilter(0);
      if (!this.#mayHold(idLow)) return false;
    }
    const at = this.#find(idHigh, idLow);
    if (at < 0) return false;
    // What was decoded shares its memory with the stored bytes.
    this.times = this.times.slice();
    this.idHigh = this.idHigh.slice();
    this.idLow = this.idLow.slice();
    for (const column of this.columns) if (column.kind === 'number') column.values = column.values.slice();
    this.#remove(new Set([at]));
    this.#tiles = undefined;
    this.#passing = undefined;
    return true;
  }

  /** Takes the events of another partition's chunk of the same span; partitions come in ascending order. */
  mergeChunk(other: Chunk): void {
    const { columns } = this.plan;
    const width = this.plan.source.columns.length;
    const events: SourceEvent[] = [];
    for (let at = 0; at < other.count; at++) {
      const values = new Array<Value>(width).fill(null);
      for (let column = 0; column < columns.length; column++) values[(columns[column] as PlanColumn).source] = other.value(column, at);
      const time = other.start + (other.times[at] as number);
      events.push({ partition: 0, offset: 0, time, idHigh: other.idHigh[at] ?? 0, idLow: other.idLow[at] ?? 0, values });
    }
    this.merge(events);
  }

  /** Removes what the events supersede and returns those events that none of the same call supersedes. */
  #withoutDuplicates(events: readonly SourceEvent[]): readonly SourceEvent[] {
    const filtering = this.count + events.length >= FILTER_FROM;
    if (filtering) this.#growFilter(events.length);
    let superseded: Set<number> | undefined;
    let dropped: Set<number> | undefined;
    for (let next = 0; next < events.length; next++) {
      const { idHigh, idLow } = events[next] as SourceEvent;
      if (filtering && !this.#addToFilter(idLow)) continue;
      const here = this.#find(idHigh, idLow);
      if (here >= 0) (superseded ??= new Set()).add(here);
      for (let earlier = 0; earlier < next; earlier++) {
        const other = events[earlier] as SourceEvent;
        if (other.idLow === idLow && other.idHigh === idHigh) (dropped ??= new Set()).add(earlier);
      }
    }
    if (superseded) this.#remove(superseded);
    return dropped ? events.filter((_, index) => !dropped.has(index)) : events;
  }

  #find(high: number, low: number): number {
    const { idLow, idHigh, count } = this;
    for (let at = 0; at < count; at++) if (idLow[at] === low && idHigh[at] === high) return at;
    return -1;
  }

  #growFilter(more: number): void {
    const wanted = (this.count + more) * 2;
    if (this.#filter.length >= wanted && this.#filtered >= this.count) return;
    let size = 128;
    while (size < wanted * 2) size *= 2;
    this.#filter = new Uint32Array(size);
    this.#filtered = 0;
    for (let at = 0; at < this.count; at++) this.#addToFilter(this.idLow[at] as number);
  }

  #mayHold(word: number): boolean {
    return this.#filter[this.#slotOf(word)] !== 0;
  }

  /** True when the word was there already, so its id may be known. */
  #addToFilter(word: number): boolean {
    const slot = this.#slotOf(word);
    if (this.#filter[slot] !== 0) return true;
    this.#filter[slot] = markOf(word);
    this.#filtered++;
    return false;
  }

  /** Where a word stands in the filter, or the empty place where it would. */
  #slotOf(word: number): number {
    const filter = this.#filter;
    const mask = filter.length - 1;
    const mark = markOf(word);
    let slot = Math.imul(word, 0x9e3779b1) & mask;
    while (filter[slot] !== 0 && filter[slot] !== mark) slot = (slot + 1) & mask;
    return slot;
  }

  #remove(superseded: ReadonlySet<number>): void {
    let to = 0;
    for (let from = 0; from < this.count; from++) {
      if (superseded.has(from)) continue;
      if (from !== to) this.#move(from, to);
      to++;
    }
    this.count = to;
    for (const column of this.columns) if (column.kind !== 'number') column.values.length = to;
  }

  #move(from: number, to: number): void {
    this.times[to] = this.times[from] as number;
    if (this.plan.hasId) {
      this.idHigh[to] = this.idHigh[from] as number;
      this.idLow[to] = this.idLow[from] as number;
    }
    for (const column of this.columns) column.values[to] = column.values[from] as never;
  }

  #place(event: SourceEvent, delta: number, to: number): void {
    this.times[to] = delta;
    if (this.plan.hasId) {
      this.idHigh[to] = event.idHigh;
      this.idLow[to] = event.idLow;
    }
    const { columns } = this.plan;
    for (let index = 0; index < columns.length; index++) {
      const value = event.values[(columns[index] as PlanColumn).source] as Value;
      const column = this.columns[index] as ChunkColumn;
      column.values[to] = value === null && column.kind === 'number' ? NaN : value;
    }
  }

  #reserve(more: number): void {
    const needed = this.count + more;
    if (needed > this.times.length) this.#grow(needed + (needed >> 1) + 4);
    // Plain arrays are filled from the back by `merge`; without this they would turn sparse.
    for (const column of this.columns) {
      if (column.kind !== 'number') for (let at = this.count; at < needed; at++) column.values.push(null);
    }
  }

  /** All numbers of a chunk stand in one stretch of memory: there are many chunks, and each stretch costs the collector something. */
  #grow(capacity: number): void {
    const numbers = this.columns.filter((column) => column.kind === 'number');
    const words = this.plan.hasId ? 3 : 1;
    const memory = new ArrayBuffer(capacity * (8 * numbers.length + 4 * words));
    let offset = 0;
    for (const column of numbers) {
      column.values = grown(new Float64Array(memory, offset, capacity), column.values, this.count);
      offset += 8 * capacity;
    }
    this.times = grown(new Uint32Array(memory, offset, capacity), this.times, this.count);
    if (words === 1) return;
    this.idHigh = grown(new Uint32Array(memory, offset + 4 * capacity, capacity), this.idHigh, this.count);
    this.idLow = grown(new Uint32Array(memory, offset + 8 * capacity, capacity), this.idLow, this.count);
  }
}

/** A larger array with the first `count` items. */
function grown<T extends Uint32Array | Float64Array>(larger: T, items: T, count: number): T {
  copyItems(larger, 0, items, count);
  return larger;
}

function picked<T extends Uint32Array | Float64Array>(from: T, rows: Uint32Array, into: T): T {
  for (let to = 0; to < into.length; to++) into[to] = from[rows[to] as number] as number;
  return into;
}

function pickedItems(from: readonly Value[], rows: Uint32Array, count: number): Value[] {
  const into = new Array<Value>(count);
  for (let to = 0; to < count; to++) into[to] = from[rows[to] as number] as Value;
  return into;
}

function emptyColumn(column: PlanColumn): ChunkColumn {
  return column.kind === 'number' ? { kind: 'number', values: new Float64Array(0) } : { kind: column.kind, values: [] };
}

/** A word in the filter, where 0 is an empty place. */
function markOf(word: number): number {
  return word === 0 ? 1 : word;
}

function isSorted(events: readonly SourceEvent[]): boolean {
  for (let at = 1; at < events.length; at++) if ((events[at] as SourceEvent).time < (events[at - 1] as SourceEvent).time) return false;
  return true;
}
