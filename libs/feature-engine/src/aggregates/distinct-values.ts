import { hash64, hash64Halves } from '../hash64.js';

/** Up to so many different values are counted one by one. */
export const COUNTED_EXACTLY = 1_024;

/** 2^14 registers: a standard error of 1.04 / sqrt(2^14), 0.81 %. */
const BITS = 14;
const REGISTERS = 1 << BITS;
/** Bits of a hash that tell a register's content: leading zeros of them, and one more. */
const REST = 64 - BITS;

/**
 * How many different values there are: exactly up to {@link COUNTED_EXACTLY}, beyond by HyperLogLog. Both are functions of the set of values, whatever the
 * order and the repetitions they come in. The estimator is Ertl's, which has no bias to correct and needs no tables.
 */
export class DistinctValues {
  #seen: Set<number | bigint | string> | undefined = new Set();
  #registers: Uint8Array | undefined;

  add(value: number | bigint | string): void {
    if (!this.#seen) return this.#note(value);
    this.#seen.add(value);
    if (this.#seen.size <= COUNTED_EXACTLY) return;
    this.#registers = new Uint8Array(REGISTERS);
    for (const seen of this.#seen) this.#note(seen);
    this.#seen = undefined;
  }

  get count(): number {
    return this.#seen ? this.#seen.size : Math.round(estimate(this.#registers as Uint8Array));
  }

  #note(value: number | bigint | string): void {
    if (typeof value === 'string') hash64(value);
    else hashNumber(value);
    const high = hash64Halves[0] as number;
    const low = hash64Halves[1] as number;
    const registers = this.#registers as Uint8Array;
    const register = high >>> (32 - BITS);
    const left = (high << BITS) >>> 0;
    const zeros = left === 0 ? 32 - BITS + Math.clz32(low) : Math.clz32(left);
    if (zeros + 1 > (registers[register] as number)) registers[register] = zeros + 1;
  }
}

const words = new Uint32Array(2);
const doubles = new Float64Array(words.buffer);
const longs = new BigInt64Array(words.buffer);

/** Mixes a number's 64 bits into {@link hash64Halves}. Numbers are hashed by their bits: their digits would take ten times as long. */
function hashNumber(value: number | bigint): void {
  if (typeof value === 'bigint') longs[0] = BigInt.asIntN(64, value);
  else doubles[0] = value;
  let a = mix(Math.imul(words[0] as number, 0x9e3779b1) ^ 0x165667b1);
  let b = mix(Math.imul(words[1] as number, 0x85ebca6b) ^ a);
  a = mix(a ^ Math.imul(b, 0xc2b2ae35));
  b = mix(b ^ Math.imul(a, 0x27d4eb2f));
  hash64Halves[0] = a;
  hash64Halves[1] = b;
}

function mix(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function estimate(registers: Uint8Array): number {
  const counts = new Uint32Array(REST + 2);
  for (const register of registers) counts[register] = (counts[register] as number) + 1;
  let sum = REGISTERS * tau(1 - (counts[REST + 1] as number) / REGISTERS);
  for (let zeros = REST; zeros >= 1; zeros--) sum = 0.5 * (sum + (counts[zeros] as number));
  sum += REGISTERS * sigma((counts[0] as number) / REGISTERS);
  return (REGISTERS * REGISTERS) / (2 * Math.LN2 * sum);
}

/** Sum of x^(2^k) 2^(k-1) beyond x: what empty registers add. */
function sigma(x: number): number {
  if (x === 1) return Infinity;
  let power = x;
  let weight = 1;
  for (let sum = x; ;) {
    power *= power;
    const before = sum;
    sum += power * weight;
    weight += weight;
    if (sum === before) return sum;
  }
}

/** The same for full registers. */
function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let root = x;
  let weight = 1;
  for (let sum = 1 - x; ;) {
    root = Math.sqrt(root);
    const before = sum;
    weight *= 0.5;
    sum -= (1 - root) * (1 - root) * weight;
    if (sum === before) return sum / 3;
  }
}
