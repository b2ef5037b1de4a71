// Taken once: a look at a global costs as much as all the rest where tests run in a context of their own.
const { imul } = Math;

/** Numbers in [0, 1) from a seed (mulberry32): the same seed gives the same numbers everywhere, so what is computed with them can be computed again. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
