const SLAB_BYTES = 16 * 1024;

/**
 * Copies of small buffers that are kept for long, side by side. Node cuts small buffers out of pieces of 8 KiB that everything shares, so one key that is kept
 * holds eight thousand bytes of what was gone within a millisecond.
 */
export class KeptBytes {
  #slab = Buffer.alloc(0);
  #used = 0;

  keep(bytes: Buffer): Buffer {
    const from = this.#used;
    if (from + bytes.length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes.length));
      this.#used = 0;
      return this.keep(bytes);
    }
    this.#used += bytes.copy(this.#slab, from);
    return this.#slab.subarray(from, this.#used);
  }
}
