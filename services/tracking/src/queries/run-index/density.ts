/** Below this part of the rows a column keeps pairs, above it an array: a pair takes several times the memory of an array's cell. */
const DENSE_FROM = 1 / 6;
const FIRST_CELLS = 64;

/** What a pair of row and value takes in a Map. */
export const PAIR_BYTES = 48;

/** Whether so many values up to this row are better kept in an array. */
export function isDense(count: number, row: number): boolean {
  return count > FIRST_CELLS && count > row * DENSE_FROM;
}

/** Cells for an array that is to hold this row, with room for some more. */
export function roomFor(row: number): number {
  return Math.max(FIRST_CELLS, row + 1 + (row >> 2));
}
