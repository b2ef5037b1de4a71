const INITIAL_BYTES = 64 * 1024;
/** What is kept for the next block, in all: about what one process fills and inserts at the same time. */
const MOST_KEPT_BYTES = 32 * 1024 * 1024;

const NOTHING = Buffer.alloc(0);

/** Memory that was given back, smallest first. */
const kept: Buffer[] = [];
let keptBytes = 0;

/**
 * Bytes that are written one after the other and grow in place. A block lives for a second, long enough to outlive the collector's young
 * generation: new memory for each would have the old one collected every other second, and all of the process stopped for it. So memory is given
 * back and taken again.
 */
export class GrowingBytes {
  protected bytes: Buffer;
  protected end = 0;

  /** `expected`: as many bytes as there will be, if that is known; growing to them takes twice the memory. */
  constructor(expected = 0) {
    this.bytes = take(Math.max(INITIAL_BYTES, expected));
  }

  get length(): number {
    return this.end;
  }

  /** Forgets what was written after `length`. */
  truncate(length: number): void {
    this.end = length;
  }

  slice(from: number, to: number): Buffer {
    return this.bytes.subarray(from, to);
  }

  /** Gives the memory back. Nobody may hold a slice of it any more; what is written next begins anew. */
  release(): void {
    give(this.bytes);
    this.bytes = NOTHING;
    this.end = 0;
  }

  protected reserve(more: number): void {
    const needed = this.end + more;
    if (needed <= this.bytes.length) return;
    const outgrown = this.bytes;
    this.bytes = take(Math.max(needed, outgrown.length * 2));
    outgrown.copy(this.bytes, 0, 0, this.end);
    give(outgrown);
  }
}

/** The smallest kept memory that is large enough, unless it is much too large; new memory otherwise. */
function take(bytes: number): Buffer {
  const at = kept.findIndex((memory) => memory.length >= bytes);
  const found = kept[at];
  if (!found || found.length > bytes * 8) return Buffer.allocUnsafeSlow(bytes);
  kept.splice(at, 1);
  keptBytes -= found.length;
  return found;
}

function give(memory: Buffer): void {
  if (memory.length < INITIAL_BYTES || keptBytes + memory.length > MOST_KEPT_BYTES) return;
  keptBytes += memory.length;
  const at = kept.findIndex(({ length }) => length >= memory.length);
  kept.splice(at < 0 ? kept.length : at, 0, memory);
}
