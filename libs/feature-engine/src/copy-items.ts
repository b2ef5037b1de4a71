/** Copies the first `count` items and returns where the next go. */
export function copyItems<T extends Float64Array | Uint32Array>(into: T, at: number, from: T, count: number): number {
  // A view costs more than the copy of a few items.
  if (count > 32) into.set(from.length === count ? from : from.subarray(0, count), at);
  else for (let index = 0; index < count; index++) into[at + index] = from[index] as number;
  return at + count;
}
