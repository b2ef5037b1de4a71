/** Texts are unpacked so many at a time when they are read one after another. */
const AT_ONCE = 2_048;
const FIRST_BYTES = 256;
/** What one byte a character can hold. */
const NARROW = /^[\u0000-\u00ff]*$/;

/** Texts in the order they are added, packed behind one another: a byte a character while all of them allow it, else two. */
export class PackedTexts {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Where each text begins, in characters; behind the last stands the end. */
  #starts = new Uint32Array(64);
  #count = 0;
  #width: 1 | 2 = 1;

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes.length + this.#starts.byteLength;
  }

  add(text: string): number {
    if (this.#width === 1 && !NARROW.test(text)) this.#widen();
    const start = this.#starts[this.#count] as number;
    const end = start + text.length;
    if (this.#count + 1 >= this.#starts.length) {
      const starts = new Uint32Array(this.#starts.length + (this.#starts.length >> 2) + 64);
      starts.set(this.#starts);
      this.#starts = starts;
    }
    if (end * this.#width > this.#bytes.length) this.#grow(end * this.#width);
    this.#bytes.write(text, start * this.#width, this.#width === 1 ? 'latin1' : 'utf16le');
    this.#starts[this.#count + 1] = end;
    return this.#count++;
  }

  get(at: number): string {
    return this.#slice(this.#starts[at] as number, this.#starts[at + 1] as number);
  }

  /** Reads many: neighbours are unpacked together and kept as long as the reader is. Not to be used once texts were added. */
  reader(): (at: number) => string {
    const blocks: (string | undefined)[] = [];
    const starts = this.#starts;
    return (at) => {
      const block = Math.floor(at / AT_ONCE);
      const first = starts[block * AT_ONCE] as number;
      blocks[block] ??= this.#slice(first, starts[Math.min((block + 1) * AT_ONCE, this.#count)] as number);
      return blocks[block].substring((starts[at] as number) - first, (starts[at + 1] as number) - first);
    };
  }

  /** Whether a text is this one, found out without unpacking it. */
  equals(text: string): (at: number) => boolean {
    if (this.#width === 1 && !NARROW.test(text)) return () => false;
    const wanted = Buffer.from(text, this.#width === 1 ? 'latin1' : 'utf16le');
    const [starts, bytes, width] = [this.#starts, this.#bytes, this.#width];
    return (at) => {
      const start = (starts[at] as number) * width;
      if ((starts[at + 1] as number) * width - start !== wanted.length) return false;
      for (let index = wanted.length - 1; index >= 0; index--) if (bytes[start + index] !== wanted[index]) return false;
      return true;
    };
  }

  #slice(start: number, end: number): string {
    return this.#width === 1 ? this.#bytes.toString('latin1', start, end) : this.#bytes.toString('utf16le', start * 2, end * 2);
  }

  #widen(): void {
    const end = this.#starts[this.#count] as number;
    const text = this.#slice(0, end);
    this.#width = 2;
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, end * 2));
    this.#bytes.write(text, 'utf16le');
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(needed + (needed >> 2));
    this.#bytes.copy(larger);
    this.#bytes = larger;
  }
}
