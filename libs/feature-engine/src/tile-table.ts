import type { Chunk } from './chunk.js';

/** A tile with fewer events has no stored sums: adding its events up costs no more than reading them would. */
const DENSE = 16;
/** Per dense tile and number column: values that are not null, sum, least, greatest. */
export const PARTIALS = 4;

/** Sums of a chunk's dense tiles, in time order. */
export interface TileTable {
  readonly count: number;
  /** Index of each tile's first event in the chunk, and how many it has. */
  readonly first: Uint32Array;
  readonly events: Uint32Array;
  /** `PARTIALS` doubles by tile, then by number column. */
  readonly partials: Float64Array;
}

export const EMPTY_TILES: TileTable = {
  count: 0,
  first: new Uint32Array(0),
  events: new Uint32Array(0),
  partials: new Float64Array(0),
};

/**
 * The sums of the dense tiles. A tile's sum is taken from zero over its events in canonical order: exactly what {@link foldWindow} does for a
 * tile without stored sums, so storing them changes no bit of any value.
 */
export function tileTable(chunk: Chunk): TileTable {
  const { tileMs } = chunk.plan;
  const { times, count } = chunk;
  const firsts: number[] = [];
  for (let from = 0; from + DENSE <= count;) {
    const end = (Math.floor((times[from] as number) / tileMs) + 1) * tileMs;
    let to = from + 1;
    while (to < count && (times[to] as number) < end) to++;
    if (to - from >= DENSE) firsts.push(from, to);
    from = to;
  }
  if (firsts.length === 0) return EMPTY_TILES;
  const tiles = firsts.length / 2;
  const numbers = chunk.columns.flatMap((column) => (column.kind === 'number' ? [column.values] : []));
  const table = {
    count: tiles,
    first: new Uint32Array(tiles),
    events: new Uint32Array(tiles),
    partials: new Float64Array(tiles * numbers.length * PARTIALS),
  };
  let out = 0;
  for (let tile = 0; tile < tiles; tile++) {
    const from = firsts[2 * tile] as number;
    const to = firsts[2 * tile + 1] as number;
    table.first[tile] = from;
    table.events[tile] = to - from;
    for (const values of numbers) {
      sumRange(values, from, to);
      table.partials.set(range, out);
      out += PARTIALS;
    }
  }
  return table;
}

/** Result of the last {@link sumRange}: values that are not null, sum, least, greatest. */
export const range = new Float64Array(PARTIALS);

/** Adds up [from, to) from zero, in order; NaN is null. */
export function sumRange(values: Float64Array, from: number, to: number): void {
  let count = 0;
  let sum = 0;
  let least = Infinity;
  let greatest = -Infinity;
  for (let at = from; at < to; at++) {
    const value = values[at] as number;
    if (value !== value) continue;
    count++;
    sum += value;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  range[0] = count;
  range[1] = sum;
  range[2] = least;
  range[3] = greatest;
}
