import { Refusal } from '../domain/refusal.js';
import { sessionMemory } from '../runner/model-memory.js';

/** There is no room for a version that nobody has asked for yet. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom';
}

/** A loaded version, as far as its memory is looked at. */
export interface Evictable {
  readonly memoryBytes: number;
  readonly leases: number;
  idleMs(): number;
}

export interface Admission<M extends Evictable> {
  readonly artifactBytes: number;
  readonly loaded: readonly M[];
  /** Whether others have to make room. */
  readonly mayEvict: boolean;
}

/** How much memory loaded versions may take together, and who makes room for whom. Sizes are estimates, from the bytes of the artifacts. */
export class MemoryBudget {
  constructor(private readonly maxBytes: number) {}

  /**
   * The versions that have to go for a new one: the longest unused first, those that answer a request right now last. Throws {@link NoRoom}
   * when it does not fit and nobody has to make room, and a refusal when it does not fit even alone.
   */
  admit<M extends Evictable>({ artifactBytes, loaded, mayEvict }: Admission<M>): M[] {
    const needed = sessionMemory(artifactBytes);
    if (needed > this.maxBytes)
      throw new Refusal(
        'MR_INFERENCE_UNSERVABLE',
        `it needs about ${megabytes(needed)} of memory, more than all models may take (MILLRACE_INFERENCE_MEMORY, ${megabytes(this.maxBytes)})`,
      );
    let free = this.maxBytes - loaded.reduce((sum, model) => sum + model.memoryBytes, 0);
    if (free >= needed) return [];
    if (!mayEvict)
      throw new NoRoom(
        `it needs about ${megabytes(needed)} of memory and ${megabytes(Math.max(0, free))} of ${megabytes(this.maxBytes)} are free ` +
          '(MILLRACE_INFERENCE_MEMORY); it is loaded when it is asked for',
      );
    const evicted: M[] = [];
    const candidates = [...loaded].sort((a, b) => Number(a.leases > 0) - Number(b.leases > 0) || b.idleMs() - a.idleMs());
    for (const model of candidates) {
      if (free >= needed) break;
      free += model.memoryBytes;
      evicted.push(model);
    }
    return evicted;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 100 * 2 ** 20 ? 1 : 0)} MiB`;
}
