import { isDense, PAIR_BYTES, roomFor } from './density.js';

type Cells = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Whole numbers from 0 by row, in cells as wide as the greatest of them needs; most rows may have none. */
export class CodeColumn {
  #pairs: Map<number, number> | undefined = new Map();
  /** The number plus 1; 0 where there is none. */
  #cells: Cells = new Uint8Array(0);

  get bytes(): number {
    return this.#pairs ? this.#pairs.size * PAIR_BYTES : this.#cells.byteLength;
  }

  /** -1 where there is none. */
  get(row: number): number {
    return this.#pairs ? (this.#pairs.get(row) ?? -1) : (this.#cells[row] ?? 0) - 1;
  }

  set(row: number, code: number): void {
    if (this.#pairs) {
      this.#pairs.set(row, code);
      if (isDense(this.#pairs.size, row)) this.#densify(row);
      return;
    }
    const isWider = code + 1 >= 256 ** this.#cells.BYTES_PER_ELEMENT;
    if (isWider || row >= this.#cells.length) this.#grow(row, code);
    this.#cells[row] = code + 1;
  }

  delete(row: number): void {
    if (this.#pairs) this.#pairs.delete(row);
    else if (row < this.#cells.length) this.#cells[row] = 0;
  }

  /** Tells every row that has a number. */
  forEach(tell: (row: number, code: number) => void): void {
    if (this.#pairs) this.#pairs.forEach((code, row) => tell(row, code));
    else for (let row = 0; row < this.#cells.length; row++) if (this.#cells[row] !== 0) tell(row, (this.#cells[row] as number) - 1);
  }

  #densify(row: number): void {
    const pairs = this.#pairs ?? [];
    this.#pairs = undefined;
    this.#grow(row, 0);
    for (const [at, code] of pairs) this.set(at, code);
  }

  #grow(row: number, code: number): void {
    const size = row >= this.#cells.length ? roomFor(row) : this.#cells.length;
    const width = Math.max(this.#cells.BYTES_PER_ELEMENT, code + 1 < 256 ? 1 : code + 1 < 65_536 ? 2 : 4);
    const cells = width === 1 ? new Uint8Array(size) : width === 2 ? new Uint16Array(size) : new Uint32Array(size);
    cells.set(this.#cells);
    this.#cells = cells;
  }
}
