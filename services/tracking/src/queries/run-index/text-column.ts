import { NumberColumn } from './number-column.js';

/** A dictionary of more texts than this that are mostly different does not pay. */
const MOST_WORDS = 4_096;
const TEXT_BYTES = 24;

/** Texts by row: as numbers of a dictionary while few differ, else as they are. Most rows may have none. */
export class TextColumn {
  readonly #codes = new NumberColumn();
  #words: string[] = [];
  #codeOf: Map<string, number> | undefined = new Map();
  #count = 0;
  #wordBytes = 0;

  get bytes(): number {
    return this.#codes.bytes + this.#wordBytes + (this.#codeOf ? this.#codeOf.size * 2 * TEXT_BYTES : 0);
  }

  has(row: number): boolean {
    return this.#codes.has(row);
  }

  get(row: number): string | undefined {
    const code = this.#codes.get(row);
    return Number.isNaN(code) ? undefined : this.#words[code];
  }

  set(row: number, text: string): void {
    if (this.#codeOf === undefined) {
      const code = this.#codes.get(row);
      if (Number.isNaN(code)) this.#codes.set(row, this.#add(text));
      else this.#words[code] = text;
      return;
    }
    let code = this.#codeOf.get(text);
    if (code === undefined) {
      code = this.#add(text);
      this.#codeOf.set(text, code);
    }
    if (!this.#codes.has(row)) this.#count++;
    this.#codes.set(row, code);
    if (this.#codeOf.size > MOST_WORDS && this.#codeOf.size > this.#count / 2) this.#spread();
  }

  delete(row: number): void {
    if (this.#codes.has(row)) this.#count--;
    this.#codes.delete(row);
  }

  /** Whether a row's text passes; a text that many rows have is asked about once. */
  filter(passes: (text: string) => boolean): (row: number) => boolean {
    const known = new Uint8Array(this.#words.length);
    return (row) => {
      const code = this.#codes.get(row);
      if (Number.isNaN(code)) return false;
      if (known[code] === 0) known[code] = passes(this.#words[code] as string) ? 1 : 2;
      return known[code] === 1;
    };
  }

  #add(text: string): number {
    this.#wordBytes += TEXT_BYTES + text.length;
    return this.#words.push(text) - 1;
  }

  /** From now on every row has a text of its own: two rows must not share one that changes in one of them. */
  #spread(): void {
    const words = this.#words;
    this.#codeOf = undefined;
    this.#words = [];
    this.#wordBytes = 0;
    this.#codes.forEach((row, code) => this.#codes.set(row, this.#add(words[code] as string)));
  }
}
