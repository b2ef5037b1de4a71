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

/** The largest finite values; of FP64 no number is beyond it. */
const LARGEST: Partial<Readonly<Record<Datatype, number>>> = { FP16: 65504, BF16: 3.3895313892515355e38, FP32: 3.4028234663852886e38 };

/** The largest finite value of a floating point datatype; a number beyond it would silently become infinite. */
export function largestOf(datatype: Datatype): number {
  return LARGEST[datatype] ?? Number.MAX_VALUE;
}

/** Whether a number is one of the floating point datatype's: a finite one up to {@link largestOf}, an infinity, or NaN. */
export function holdsFloat(datatype: Datatype, value: number): boolean {
  return Math.abs(value) <= largestOf(datatype) || !Number.isFinite(value);
}

/** The runtime takes a string up to its first NUL: what comes after would silently be lost. */
export function isWholeString(text: string): boolean {
  return !text.includes('\u0000');
}
