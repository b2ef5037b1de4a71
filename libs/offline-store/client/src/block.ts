import { jsonObjectBounds } from './json-object-bounds.js';

/**
 * One source record's rows: an object, ready JSON bytes (one object, spliced in without parsing) or a {@link RowText}, several of them, or
 * `undefined` for a record that has none. Several rows get their place as `_row`.
 */
export type ProjectedRows = object | Buffer | RowText | readonly (object | Buffer | RowText)[] | undefined;

/**
 * A row that the projection has written itself: the fields of one object as `JSON.stringify` would write them, without its braces. They are taken
 * as they are, so text from outside must not come this way. A class, because what a record holds may be a string and must not pass for one.
 */
export class RowText {
  constructor(readonly fields: string) {}
}

const INITIAL_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const SPACE = 0x20;

/** Part of a block, still in offset order: what one insert carries. */
export interface BlockRange {
  readonly from: number;
  readonly to: number;
}

/** Rows of consecutive records of one partition, as JSONEachRow bytes that grow in place. */
export class Block {
  /** Offsets of the records that have rows here. The records themselves are not kept: a block lives long enough to make them costly garbage. */
  readonly offsets: number[] = [];
  rows = 0;
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;
  /** Byte and row counts after each record. */
  readonly #ends: number[] = [];
  readonly #rowEnds: number[] = [];
  readonly #head: string;

  constructor(
    private readonly topic: string,
    private readonly partition: number,
  ) {
    this.#head = `{"_topic":${JSON.stringify(topic)},"_partition":${partition},"_offset":`;
  }

  get size(): number {
    return this.#length;
  }

  get isEmpty(): boolean {
    return this.offsets.length === 0;
  }

  get all(): BlockRange {
    return { from: 0, to: this.offsets.length };
  }

  add(offset: number, rows: Exclude<ProjectedRows, undefined>): void {
    const head = `${this.#head}${offset}`;
    const [length, count] = [this.#length, this.rows];
    try {
      if (!Array.isArray(rows)) this.#row(head, rows);
      else for (const [index, row] of (rows as readonly (object | Buffer | RowText)[]).entries()) this.#row(`${head},"_row":${index}`, row);
    } catch (error) {
      // All rows of a record or none.
      this.#length = length;
      this.rows = count;
      throw error;
    }
    if (this.rows === count) return;
    this.offsets.push(offset);
    this.#ends.push(this.#length);
    this.#rowEnds.push(this.rows);
  }

  bytes(range: BlockRange): Buffer {
    return this.#bytes.subarray(range.from === 0 ? 0 : this.#ends[range.from - 1], this.#ends[range.to - 1]);
  }

  rowCount(range: BlockRange): number {
    return (this.#rowEnds[range.to - 1] as number) - (range.from === 0 ? 0 : (this.#rowEnds[range.from - 1] as number));
  }

  first(range: BlockRange): number {
    return this.offsets[range.from] as number;
  }

  last(range: BlockRange): number {
    return this.offsets[range.to - 1] as number;
  }

  /** Names exactly these rows: an insert repeated with it is taken once. */
  token(range: BlockRange): string {
    return `${this.topic}:${this.partition}:${this.first(range)}-${this.last(range)}`;
  }

  /** The range without the records before `offset`; `undefined` when none is left. */
  after(range: BlockRange, offset: number): BlockRange | undefined {
    let from = range.from;
    while (from < range.to && (this.offsets[from] as number) < offset) from++;
    return from === range.to ? undefined : { from, to: range.to };
  }

  /** The record that holds the `row`-th row (from 1) of a range. */
  recordOfRow(range: BlockRange, row: number): number | undefined {
    const wanted = row + (range.from === 0 ? 0 : (this.#rowEnds[range.from - 1] as number));
    for (let index = range.from; index < range.to; index++) if ((this.#rowEnds[index] as number) >= wanted) return index;
    return undefined;
  }

  #row(head: string, row: object | Buffer | RowText): void {
    if (row instanceof RowText) this.#line(`${head},${row.fields}}\n`);
    else if (Buffer.isBuffer(row)) this.#spliced(head, row);
    else {
      const text = JSON.stringify(row);
      this.#line(text === '{}' ? `${head}}\n` : `${head},${text.slice(1)}\n`);
    }
    this.rows++;
  }

  #line(line: string): void {
    this.#reserve(line.length * 3);
    this.#length += this.#bytes.write(line, this.#length);
  }

  #spliced(head: string, row: Buffer): void {
    const { start, end } = jsonObjectBounds(row);
    const empty = end - start < 16 && row.toString('latin1', start + 1, end - 1).trim() === '';
    this.#reserve(head.length * 3 + row.length + 2);
    this.#length += this.#bytes.write(empty ? head : `${head},`, this.#length);
    const from = this.#length;
    this.#length += row.copy(this.#bytes, from, start + 1, end);
    // A line break in JSON is only a blank; two of them would end the insert's data. The row is searched and not the block, whose unused
    // part has none and may be long.
    for (let at = row.indexOf(NEWLINE, start + 1); at >= 0 && at < end; at = row.indexOf(NEWLINE, at + 1))
      this.#bytes[from + at - start - 1] = SPACE;
    this.#bytes[this.#length++] = NEWLINE;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
