import { Chunk, chunkIndexOf } from './chunk.js';
import { evaluate, type ViewRow } from './evaluate.js';
import type { SourceEvent } from './source-event.js';
import type { ViewPlan } from './view-plan.js';

/** Partition -> next offset: only events before it were known. */
export type KnownPositions = Readonly<Record<number, number>>;

/** Events of one chunk's span, and the chunk once it has been asked for. */
interface Part {
  readonly events: SourceEvent[];
  /** Last offset by partition. */
  readonly last: Map<number, number>;
  chunk: Chunk | undefined;
  /** The chunk as it was known last, and at which positions: questions of one request know the same. */
  known: { readonly at: readonly (readonly [partition: number, offset: number])[]; readonly chunk: Chunk } | undefined;
}

/**
 * All events of one entity, for values at any time: how training sets and checks are computed. The same chunks, the same arithmetic as online.
 * Events may come in any order; `(partition, offset)` says which of two with one id stands.
 */
export class EntityHistory {
  readonly #parts = new Map<number, Part>();
  readonly #indexes: readonly number[];
  /** Where corrections move events: all of them, as which one stands depends on what is known. */
  readonly #events: readonly SourceEvent[];

  constructor(
    readonly plan: ViewPlan,
    events: Iterable<SourceEvent>,
  ) {
    this.#events = plan.source.movesEvents ? [...events] : [];
    for (const event of plan.source.movesEvents ? lastOfEach(this.#events) : events) {
      const index = chunkIndexOf(plan, event.time);
      let part = this.#parts.get(index);
      if (!part) this.#parts.set(index, (part = { events: [], last: new Map(), chunk: undefined, known: undefined }));
      part.events.push(event);
      if (event.offset > (part.last.get(event.partition) ?? -1)) part.last.set(event.partition, event.offset);
    }
    this.#indexes = [...this.#parts.keys()].sort((a, b) => a - b);
  }

  /** The view's values at `at`; with `known`, as they were when only the events before these positions had been applied. */
  at(at: number, known?: KnownPositions): ViewRow {
    if (known && this.#events.some((event) => !isKnown(event, known))) {
      const heard = this.#events.filter((event) => isKnown(event, known));
      return new EntityHistory(this.plan, heard).at(at);
    }
    const row: ViewRow = { values: [], statuses: [], times: [] };
    const indexes = known ? this.#indexes.filter((index) => isKnownInPart(this.#part(index), known)) : this.#indexes;
    const chunk = (index: number): Chunk => this.#chunk(index, known);
    evaluate(this.plan, at, { indexes, chunk, horizon: -Infinity, latest: undefined, behind: undefined }, row);
    return row;
  }

  #part(index: number): Part {
    return this.#parts.get(index) as Part;
  }

  /** A chunk that is known whole is built once; of any other the known events are taken, anew when others are known. */
  #chunk(index: number, known: KnownPositions | undefined): Chunk {
    const part = this.#part(index);
    if (known && !isWhollyKnown(part, known)) {
      const before = part.known;
      if (before?.at.every(([partition, offset]) => offset === (known[partition] ?? 0))) return before.chunk;
      const heard = part.events.filter((event) => isKnown(event, known));
      const chunk = chunkOf(this.plan, index, heard);
      part.known = { at: [...part.last.keys()].map((partition) => [partition, known[partition] ?? 0] as const), chunk };
      return chunk;
    }
    return (part.chunk ??= chunkOf(this.plan, index, part.events));
  }
}

/** Of the events with one id the last in the log. */
function lastOfEach(events: readonly SourceEvent[]): Iterable<SourceEvent> {
  const standing = new Map<string, SourceEvent>();
  for (const event of events) {
    const id = `${event.idHigh}:${event.idLow}`;
    const other = standing.get(id);
    if (!other || event.partition > other.partition || (event.partition === other.partition && event.offset > other.offset)) {
      standing.set(id, event);
    }
  }
  return standing.values();
}

function chunkOf(plan: ViewPlan, index: number, events: readonly SourceEvent[]): Chunk {
  const chunk = new Chunk(plan, index);
  chunk.merge([...events].sort((a, b) => a.partition - b.partition || a.offset - b.offset));
  return chunk;
}

function isKnown(event: SourceEvent, known: KnownPositions): boolean {
  return event.offset < (known[event.partition] ?? 0);
}

function isWhollyKnown(part: Part, known: KnownPositions): boolean {
  for (const [partition, offset] of part.last) if (offset >= (known[partition] ?? 0)) return false;
  return true;
}

function isKnownInPart(part: Part, known: KnownPositions): boolean {
  return isWhollyKnown(part, known) || part.events.some((event) => isKnown(event, known));
}
