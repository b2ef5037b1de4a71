import { Chunk, chunkIndexOf } from './chunk.js';
import { evaluate, type EntityState, type ViewRow } from './evaluate.js';
import type { SourceEvent } from './source-event.js';
import type { ViewPlan } from './view-plan.js';

/**
 * All events of one entity, for values at any time: how training sets and checks are computed. The same chunks, the same arithmetic as online.
 * Events may come in any order; `(partition, offset)` says which of two with one id stands.
 */
export class EntityHistory implements EntityState {
  readonly indexes: readonly number[];
  readonly horizon = -Infinity;
  readonly latest = undefined;
  readonly behind = undefined;
  readonly #chunks = new Map<number, Chunk>();

  constructor(
    readonly plan: ViewPlan,
    events: readonly SourceEvent[],
  ) {
    const byChunk = new Map<number, SourceEvent[]>();
    for (const event of events) {
      const index = chunkIndexOf(plan, event.time);
      const group = byChunk.get(index);
      if (group) group.push(event);
      else byChunk.set(index, [event]);
    }
    for (const [index, group] of byChunk) {
      group.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
      const chunk = new Chunk(plan, index);
      chunk.merge(group);
      this.#chunks.set(index, chunk);
    }
    this.indexes = [...byChunk.keys()].sort((a, b) => a - b);
  }

  chunk(index: number): Chunk | undefined {
    return this.#chunks.get(index);
  }

  /** The view's values at `at`. */
  at(at: number): ViewRow {
    const row: ViewRow = { values: [], statuses: [], times: [] };
    evaluate(this.plan, at, this, row);
    return row;
  }
}
