/**
 * One source record's rows: an object or ready JSON bytes (one object, spliced in without parsing), several of them, or `undefined`
 * for a record that has none. Several rows get their place as `_row`.
 */
export type ProjectedRows = object | Buffer | readonly (object | Buffer)[] | undefined;

const INITIAL_BYTES = 64 * 1024;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

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
    if (!Array.isArray(rows)) this.#row(head, rows);
    else {
      if (rows.length === 0) return;
      for (const [index, row] of (rows as readonly (object | Buffer)[]).entries()) this.#row(`${head},"_row":${index}`, row);
    }
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

  #row(head: string, row: object | Buffer): void {
    if (Buffer.isBuffer(row)) this.#spliced(head, row);
    else {
      const text = JSON.stringify(row);
      const line = text === '{}' ? `${head}}\n` : `${head},${text.slice(1)}\n`;
      this.#reserve(line.length * 3);
      this.#length += this.#bytes.write(line, this.#length);
    }
    this.rows++;
  }

  #spliced(head: string, row: Buffer): void {
    const open = row.indexOf(OPEN_BRACE);
    const close = row.lastIndexOf(CLOSE_BRACE);
    if (open < 0 || close < open) throw new TypeError('ready rows are JSON objects');
    const empty = close - open < 16 && row.toString('latin1', open + 1, close).trim() === '';
    this.#reserve(head.length * 3 + row.length + 2);
    this.#length += this.#bytes.write(empty ? head : `${head},`, this.#length);
    this.#length += row.copy(this.#bytes, this.#length, open + 1, close + 1);
    this.#bytes[this.#length++] = 0x0a;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
