import type { ModelSignature } from '../signature.js';
import { emptyRowData, isRowDatatype, type Rows } from './model-rows.js';

/**
 * Rows made up for a model: floats of the standard normal distribution, 0 or 1 for anything else; the same for the same seed. They say what a model costs; how far its
 * answers are from another's on real requests they do not. `undefined` where an input takes texts, or leaves more open than the number of rows.
 */
export function randomRows({ inputs }: Pick<ModelSignature, 'inputs'>, count: number, seed: number): Rows[] | undefined {
  const random = normals(seed);
  const rows: Rows[] = [];
  for (const { name, datatype, shape } of inputs) {
    const [first, ...inner] = shape ?? [];
    if (first !== -1 || inner.includes(-1) || !isRowDatatype(datatype) || datatype === 'BYTES') return undefined;
    const data = emptyRowData(
      datatype,
      inner.reduce((product, size) => product * size, count),
    ) as { [index: number]: number | bigint; length: number };
    const isFloat = datatype === 'FP32' || datatype === 'FP64';
    const isWide = datatype === 'INT64' || datatype === 'UINT64';
    for (let index = 0; index < data.length; index++) {
      const value = random();
      const bit = value > 0 ? 1 : 0;
      data[index] = isFloat ? value : isWide ? BigInt(bit) : bit;
    }
    rows.push({ name, datatype, shape: [count, ...inner], data: data as unknown as Rows['data'] });
  }
  return rows;
}

/** A stream of values of the standard normal distribution, the same for the same seed (mulberry32, Box-Muller). */
export function normals(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
