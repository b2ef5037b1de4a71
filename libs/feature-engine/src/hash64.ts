/** Two 32-bit halves of a 64-bit hash. Reused between calls: read the halves before the next call. */
export const hash64Halves = new Uint32Array(2);

/**
 * A 64-bit hash of a text's UTF-16 units, into {@link hash64Halves}: event ids are remembered by it, so that a chunk does not hold the ids
 * themselves. Two ids of one chunk meet by chance once in 2^64 / n^2. Frozen: stored state depends on it.
 */
export function hash64(text: string): void {
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x9e3779b1);
    low = Math.imul(low ^ unit, 0x5f356495);
    high ^= low >>> 15;
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  hash64Halves[0] = high;
  hash64Halves[1] = low;
}
