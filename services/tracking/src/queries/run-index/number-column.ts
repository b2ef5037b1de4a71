/** Below this part of the rows a column keeps pairs, above it an array: a pair takes several times the memory of an array's cell. */
const DENSE_FROM = 1 / 6;
const PAIR_BYTES = 48;
const FIRST_CELLS = 64;

/** Numbers by row; most rows may have none. */
export class NumberColumn {
  #pairs: Map<number, number> | undefined = new Map();
  #cells = new Float64Array(0);
  #has = new Uint8Array(0);

  get bytes(): number {
    return this.#pairs ? this.#pairs.size * PAIR_BYTES : this.#cells.length * 9;
  }

  has(row: number): boolean {
    return this.#pairs ? this.#pairs.has(row) : this.#has[row] === 1;
  }

  /** NaN where there is none. */
  get(row: number): number {
    return (this.#pairs ? this.#pairs.get(row) : this.#has[row] === 1 ? this.#cells[row] : undefined) ?? NaN;
  }

  set(row: number, value: number): void {
    if (this.#pairs) {
      this.#pairs.set(row, value);
      if (this.#pairs.size > FIRST_CELLS && this.#pairs.size > row * DENSE_FROM) this.#densify(row);
      return;
    }
    if (row >= this.#cells.length) this.#grow(row);
    this.#cells[row] = value;
    this.#has[row] = 1;
  }

  delete(row: number): void {
    if (this.#pairs) this.#pairs.delete(row);
    else if (row < this.#has.length) this.#has[row] = 0;
  }

  /** Tells every row that has a number. */
  forEach(tell: (row: number, value: number) => void): void {
    if (this.#pairs) this.#pairs.forEach((value, row) => tell(row, value));
    else for (let row = 0; row < this.#cells.length; row++) if (this.#has[row] === 1) tell(row, this.#cells[row] as number);
  }

  #densify(row: number): void {
    const pairs = this.#pairs ?? [];
    this.#pairs = undefined;
    this.#grow(row);
    for (const [at, value] of pairs) this.set(at, value);
  }

  #grow(row: number): void {
    const size = Math.max(FIRST_CELLS, Math.ceil((row + 1) * 1.5));
    const [cells, has] = [new Float64Array(size), new Uint8Array(size)];
    cells.set(this.#cells);
    has.set(this.#has);
    [this.#cells, this.#has] = [cells, has];
  }
}
