import type { Datatype } from './tensor.js';

type Range = readonly [least: number | bigint, most: number | bigint];

const RANGES: Partial<Readonly<Record<Datatype, Range>>> = {
  BOOL: [0, 1],
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffff_ffff],
  UINT64: [0n, 0xffff_ffff_ffff_ffffn],
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x8000_0000, 0x7fff_ffff],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** Whether a whole number is one of the datatype's, where that has bounds: what is not would silently become another. */
export function holdsInteger(datatype: Datatype, value: number | bigint): boolean {
  const range = RANGES[datatype];
  return range === undefined || (value >= range[0] && value <= range[1]);
}

/** The runtime takes a string up to its first NUL: what comes after would silently be lost. */
export function isWholeString(text: string): boolean {
  return !text.includes('\u0000');
}
