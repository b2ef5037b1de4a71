import type { OnlineWrite } from '@millrace/online-store';

/** A buffer of which lmdb-js writes a part: from `start` to `end` of its memory, instead of all of it. */
interface Part extends Buffer {
  start: number;
  end: number;
}

const SMALLEST_BYTES = 256 * 1024;

/**
 * The values of one flush, side by side in memory that every flush uses again. lmdb-js keeps each buffer it was given in a list that only a full collection
 * clears, so values of their own, though long written, would fill the old generation and have it collected every few seconds.
 */
export class StagingBuffer {
  #part = newPart(SMALLEST_BYTES);
  #used = 0;

  /** Makes room for the values of the writes. What was added before has to be in the file. */
  reserve(writes: ReadonlyMap<string, OnlineWrite>): void {
    let bytes = 0;
    for (const { value } of writes.values()) bytes += value?.length ?? 0;
    if (bytes > this.#part.length) this.#part = newPart(2 ** Math.ceil(Math.log2(bytes)));
    this.#used = 0;
  }

  /** The value as it is to be handed to `put`, at once. */
  add(value: Buffer): Buffer {
    const part = this.#part;
    part.start = this.#used;
    part.set(value, this.#used);
    this.#used += value.length;
    part.end = this.#used;
    return part;
  }
}

function newPart(bytes: number): Part {
  // lmdb-js counts from the beginning of the memory, which a pooled buffer's would not be.
  return Object.assign(Buffer.from(new ArrayBuffer(bytes)), { start: 0, end: 0 });
}
