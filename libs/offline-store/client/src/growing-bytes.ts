const INITIAL_BYTES = 64 * 1024;

/** Bytes that are written one after the other and grow in place. */
export class GrowingBytes {
  protected bytes: Buffer;
  protected end = 0;

  /** `expected`: as many bytes as there will be, if that is known; growing to them takes twice the memory. */
  constructor(expected = 0) {
    this.bytes = Buffer.allocUnsafe(Math.max(INITIAL_BYTES, expected));
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

  protected reserve(more: number): void {
    const needed = this.end + more;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.end);
    this.bytes = grown;
  }
}
