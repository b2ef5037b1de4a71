/** A buffer of which lmdb-js writes a part: from `start` to `end` of its memory, instead of all of it. */
interface Part extends Buffer {
  start: number;
  end: number;
}

const SMALLEST_BYTES = 256 * 1024;
/** What one burst has taken beyond this is not kept for the next. */
const MOST_KEPT_BYTES = 8 * 1024 * 1024;

/**
 * The values of one flush, side by side in memory that later flushes use again. Values wait for their flush, and lmdb-js keeps each buffer it was given in a
 * list that only a full collection clears: those with memory of their own outlive the young generation, fill the old one and have all of it collected every
 * few seconds, for which the process stops.
 */
export class ValueMemory {
  #part = newPart(SMALLEST_BYTES);
  #used = 0;

  /** Copies the value; returns where it lies from now on until {@link clear}. */
  add(value: Buffer): number {
    const start = this.#used;
    if (start + value.length > this.#part.length) this.#grow(start + value.length);
    this.#part.set(value, start);
    this.#used += value.length;
    return start;
  }

  /** A view: what is added afterwards may leave it behind, and {@link clear} gives its memory to other values. */
  view(start: number, end: number): Buffer {
    return this.#part.subarray(start, end);
  }

  /** The value as it is to be handed to `put`, at once: each call says anew which part it is. Nothing may be added until it is in the file. */
  part(start: number, end: number): Buffer {
    this.#part.start = start;
    this.#part.end = end;
    return this.#part;
  }

  clear(): void {
    this.#used = 0;
    if (this.#part.length > MOST_KEPT_BYTES) this.#part = newPart(SMALLEST_BYTES);
  }

  #grow(bytes: number): void {
    const outgrown = this.#part;
    this.#part = newPart(2 ** Math.ceil(Math.log2(bytes)));
    this.#part.set(outgrown.subarray(0, this.#used));
  }
}

function newPart(bytes: number): Part {
  // lmdb-js counts from the beginning of the memory, which a pooled buffer's would not be.
  return Object.assign(Buffer.from(new ArrayBuffer(bytes)), { start: 0, end: 0 });
}
