/** Whole numbers of a matrix and what one of them stands for. */
export interface Quantized {
  readonly values: Int8Array;
  /** One for the whole, or one a channel. */
  readonly scales: Float32Array;
}

const SMALLEST_NORMAL = 2 ** -126;

/**
 * Symmetric int8: value = integer * scale, the zero is exact. `channelOf` tells the channel of the element at an index; of one channel it is
 * always 0. `levels` is 127, or 63 where the processor adds products of two bytes in 16 bits and would overflow (AVX2 and AVX512 without VNNI).
 * `undefined` when a value is not finite.
 */
export function quantize(
  values: Float32Array,
  channels: number,
  channelOf: (index: number) => number,
  levels: 127 | 63,
): Quantized | undefined {
  const largest = new Float32Array(channels);
  for (const [index, value] of values.entries()) {
    if (!Number.isFinite(value)) return undefined;
    const channel = channelOf(index);
    largest[channel] = Math.max(largest[channel] as number, Math.abs(value));
  }
  // A channel of zeros has any scale; 1 keeps the product finite.
  const scales = largest.map((most) => (most === 0 ? 1 : Math.max(most / levels, SMALLEST_NORMAL)));
  const integers = new Int8Array(values.length);
  for (const [index, value] of values.entries()) {
    const scaled = roundedToEven(value / (scales[channelOf(index)] as number));
    integers[index] = Math.min(levels, Math.max(-levels, scaled));
  }
  return { values: integers, scales };
}

/** As the format's own QuantizeLinear rounds. */
function roundedToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
