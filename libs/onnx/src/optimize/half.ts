const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** The bits of the 16-bit float nearest to a value, ties to even; infinity where it is larger than 65,504 by more than half a step. */
export function halfOf(value: number): number {
  single[0] = value;
  const word = bits[0] as number;
  const sign = (word >>> 16) & 0x8000;
  const exponent = (word >>> 23) & 0xff;
  const fraction = word & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const scaled = exponent - 112;
  if (scaled >= 31) return sign | 0x7c00;
  // Of a subnormal half the hidden bit is shifted in with the fraction; below half of the smallest nothing is left.
  if (scaled < -10) return sign;
  const shift = scaled <= 0 ? 14 - scaled : 13;
  const whole = scaled <= 0 ? fraction | 0x800000 : fraction;
  const kept = whole >>> shift;
  const rest = whole & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  const rounded = rest > tie || (rest === tie && (kept & 1) === 1) ? kept + 1 : kept;
  // A carry out of the fraction raises the exponent, and out of the largest finite value gives infinity: both as they should.
  return sign | ((scaled <= 0 ? 0 : scaled << 10) + rounded);
}

/** The value of 16-bit float bits. */
export function valueOfHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
