/** A bucket is told by a value's sign, exponent and first bits of its fraction: each power of two has 64 buckets, so no bucket is wider than 1/64 of its values. */
const FRACTION_BITS = 6;
const DROPPED = 20 - FRACTION_BITS;

const bits = new Uint32Array(2);
const double = new Float64Array(bits.buffer);

/** Buckets in the order of their values; -0 is no value here. */
export function bucketOf(value: number): number {
  double[0] = value;
  const high = bits[1] as number;
  return high >>> 31 === 0 ? high >>> DROPPED : -((high & 0x7fffffff) >>> DROPPED) - 1;
}

function lowerEnd(bucket: number): number {
  bits[0] = 0;
  bits[1] = bucket << DROPPED;
  return double[0] as number;
}

/** The middle of a bucket: no value in it is farther away than 1/128 of itself, 0.8 %. */
export function middleOf(bucket: number): number {
  // Zero, and what is so small that a double has no full fraction for it.
  if (bucket === 0 || bucket === -1) return 0;
  if (bucket < 0) return -middleOf(-bucket - 1);
  const low = lowerEnd(bucket);
  const high = lowerEnd(bucket + 1);
  return Number.isFinite(high) ? low + (high - low) / 2 : low;
}
