import { isDense, PAIR_BYTES, roomFor } from './density.js';

/** Numbers by row; most rows may have none. */
export class NumberColumn {
  #pairs: Map<number, number> | undefined = new Map();
  #cells = new Float64Array(0);
  /** One bit a row: a NaN is a number like any other. */
  #has = new Uint8Array(0);

  get bytes(): number {
    return this.#pairs ? this.#pairs.size * PAIR_BYTES : this.#cells.byteLength + this.#has.byteLength;
  }

  has(row: number): boolean {
    return this.#pairs ? this.#pairs.has(row) : this.#bit(row);
  }

  /** NaN where there is none. */
  get(row: number): number {
    return (this.#pairs ? this.#pairs.get(row) : this.#bit(row) ? this.#cells[row] : undefined) ?? NaN;
  }

  set(row: number, value: number): void {
    if (this.#pairs) {
      this.#pairs.set(row, value);
      if (isDense(this.#pairs.size, row)) this.#densify(row);
      return;
    }
    if (row >= this.#cells.length) this.#grow(row);
    this.#cells[row] = value;
    this.#has[row >> 3] = (this.#has[row >> 3] as number) | (1 << (row & 7));
  }

  delete(row: number): void {
    if (this.#pairs) this.#pairs.delete(row);
    else if (row < this.#cells.length) this.#has[row >> 3] = (this.#has[row >> 3] as number) & ~(1 << (row & 7));
  }

  #bit(row: number): boolean {
    return ((this.#has[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
  }

  #densify(row: number): void {
    const pairs = this.#pairs ?? [];
    this.#pairs = undefined;
    this.#grow(row);
    for (const [at, value] of pairs) this.set(at, value);
  }

  #grow(row: number): void {
    const size = roomFor(row);
    const [cells, has] = [new Float64Array(size), new Uint8Array((size >> 3) + 1)];
    cells.set(this.#cells);
    has.set(this.#has);
    [this.#cells, this.#has] = [cells, has];
  }
}
