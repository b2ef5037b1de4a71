import type { GrowingBytes } from './growing-bytes.js';

/** Part of a block, still in offset order: what one insert carries. */
export interface BlockRange {
  readonly from: number;
  readonly to: number;
}

/** Rows of consecutive records of one partition, as the bytes of an insert. `R` is what a record's rows are made of, `O` what writes them. */
export abstract class Block<R, O extends GrowingBytes = GrowingBytes> {
  /** Offsets of the records that have rows here. The records themselves are not kept: a block lives long enough to make them costly garbage. */
  readonly offsets: number[] = [];
  rows = 0;
  /** Byte and row counts after each record. */
  readonly #ends: number[] = [];
  readonly #rowEnds: number[] = [];

  constructor(
    protected readonly topic: string,
    protected readonly partition: number,
    protected readonly out: O,
  ) {}

  /** Writes a record's rows behind what is there and returns their count. */
  protected abstract write(offset: number, rows: R): number;

  /** Bytes so far. */
  get size(): number {
    return this.out.length;
  }

  get isEmpty(): boolean {
    return this.offsets.length === 0;
  }

  get all(): BlockRange {
    return { from: 0, to: this.offsets.length };
  }

  add(offset: number, rows: R): void {
    const size = this.size;
    let count: number;
    try {
      count = this.write(offset, rows);
    } catch (error) {
      // All rows of a record or none.
      this.out.truncate(size);
      throw error;
    }
    if (count === 0) {
      this.out.truncate(size);
      return;
    }
    this.rows += count;
    this.offsets.push(offset);
    this.#ends.push(this.size);
    this.#rowEnds.push(this.rows);
  }

  bytes(range: BlockRange): Buffer {
    return this.out.slice(range.from === 0 ? 0 : (this.#ends[range.from - 1] as number), this.#ends[range.to - 1] as number);
  }

  /** Its rows are in the table: nobody reads its bytes any more. */
  release(): void {
    this.out.release();
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
}
