import { CodeColumn } from './code-column.js';
import { PackedTexts } from './packed-texts.js';

/** A dictionary of more texts than this that few rows share does not pay. */
const MOST_WORDS = 4_096;
const FEWEST_ROWS_A_WORD = 8;
/** A word and its place in the map of words. */
const WORD_BYTES = 100;
/** Texts nobody has any more that may lie about before the rest is packed anew. */
const MOST_LOOSE = 4_096;

/** Texts by row: as numbers of a dictionary while few differ, else packed one for each row. Most rows may have none. */
export class TextColumn {
  readonly #codes = new CodeColumn();
  #words: string[] = [];
  #codeOf: Map<string, number> | undefined = new Map();
  /** Each row's own text; there once the dictionary has been given up. */
  #packed: PackedTexts | undefined;
  #count = 0;
  #wordBytes = 0;

  get bytes(): number {
    return this.#codes.bytes + (this.#packed?.bytes ?? this.#wordBytes);
  }

  has(row: number): boolean {
    return this.#codes.get(row) >= 0;
  }

  get(row: number): string | undefined {
    const code = this.#codes.get(row);
    return code < 0 ? undefined : (this.#packed?.get(code) ?? this.#words[code]);
  }

  set(row: number, text: string): void {
    const known = this.#codes.get(row);
    if (known < 0) this.#count++;
    if (this.#packed) {
      if (known >= 0 && this.#packed.get(known) === text) return;
      this.#codes.set(row, this.#packed.add(text));
      if (this.#packed.count > this.#count * 2 + MOST_LOOSE) this.#pack();
      return;
    }
    const codeOf = this.#codeOf as Map<string, number>;
    let code = codeOf.get(text);
    if (code === undefined) {
      code = this.#words.push(text) - 1;
      codeOf.set(text, code);
      this.#wordBytes += WORD_BYTES + text.length;
    }
    this.#codes.set(row, code);
    if (this.#words.length > MOST_WORDS && this.#words.length * FEWEST_ROWS_A_WORD > this.#count) this.#pack();
  }

  delete(row: number): void {
    if (this.has(row)) this.#count--;
    this.#codes.delete(row);
  }

  /** For reading many rows at a time; not to be used once a row was set. */
  reader(): (row: number) => string | undefined {
    if (!this.#packed) return (row) => this.#words[this.#codes.get(row)];
    const textOf = this.#packed.reader();
    return (row) => {
      const code = this.#codes.get(row);
      return code < 0 ? undefined : textOf(code);
    };
  }

  /** Whether a row's text passes; a text that many rows have is asked about once. Not to be used once a row was set. */
  filter(passes: (text: string) => boolean): (row: number) => boolean {
    if (this.#packed) {
      const textOf = this.#packed.reader();
      return this.#where((code) => passes(textOf(code)));
    }
    const known = new Uint8Array(this.#words.length);
    return this.#where((code) => {
      if (known[code] === 0) known[code] = passes(this.#words[code] as string) ? 1 : 2;
      return known[code] === 1;
    });
  }

  /** Whether a row's text is this one. Not to be used once a row was set. */
  equals(text: string): (row: number) => boolean {
    if (this.#packed) return this.#where(this.#packed.equals(text));
    const wanted = this.#codeOf?.get(text);
    return wanted === undefined ? () => false : (row) => this.#codes.get(row) === wanted;
  }

  #where(test: (code: number) => boolean): (row: number) => boolean {
    return (row) => {
      const code = this.#codes.get(row);
      return code >= 0 && test(code);
    };
  }

  /** From now on every row has a text of its own: two rows must not share one that changes in one of them. What no row has is let go. */
  #pack(): void {
    const textOf = this.#packed?.reader() ?? ((code: number) => this.#words[code] as string);
    const packed = new PackedTexts();
    this.#codes.forEach((row, code) => this.#codes.set(row, packed.add(textOf(code))));
    this.#packed = packed;
    this.#words = [];
    this.#codeOf = undefined;
    this.#wordBytes = 0;
  }
}
