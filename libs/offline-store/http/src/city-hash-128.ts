/**
 * CityHash128 in its version 1.0.2, which ClickHouse keeps for the checksums of its compressed blocks (later versions of CityHash give
 * other values). Arithmetic is modulo 2^64: every product and sum goes through `u64`, which V8 turns into machine integers.
 */
export interface Hash128 {
  readonly low: bigint;
  readonly high: bigint;
}

const K0 = 0xc3a5c85c97cb3127n;
const K1 = 0xb492b66fbe98f273n;
const K2 = 0x9ae16a3b2f90404fn;
const K3 = 0xc949d7c7509e6557n;
const MULTIPLIER = 0x9ddfea08eb382d69n;

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const times = (a: bigint, b: bigint): bigint => BigInt.asUintN(64, a * b);
const rotate = (value: bigint, by: bigint): bigint => u64((value >> by) | u64(value << (64n - by)));
const shiftMix = (value: bigint): bigint => value ^ (value >> 47n);

function hashLength16(low: bigint, high: bigint): bigint {
  const a = shiftMix(times(low ^ high, MULTIPLIER));
  return times(shiftMix(times(high ^ a, MULTIPLIER)), MULTIPLIER);
}

function hashLength0to16(bytes: Buffer): bigint {
  const length = bytes.length;
  if (length > 8) {
    const a = bytes.readBigUInt64LE(0);
    const b = bytes.readBigUInt64LE(length - 8);
    return hashLength16(a, rotate(u64(b + BigInt(length)), BigInt(length))) ^ b;
  }
  if (length >= 4) {
    const a = BigInt(bytes.readUInt32LE(0));
    return hashLength16(u64(BigInt(length) + (a << 3n)), BigInt(bytes.readUInt32LE(length - 4)));
  }
  if (length > 0) {
    const [a, b, c] = [bytes[0] as number, bytes[length >> 1] as number, bytes[length - 1] as number];
    const y = BigInt(a + (b << 8));
    const z = BigInt(length + (c << 2));
    return times(shiftMix(times(y, K2) ^ times(z, K3)), K2);
  }
  return K2;
}

export function cityHash128(bytes: Buffer): Hash128 {
  const length = bytes.length;
  if (length >= 16) return seeded(bytes.subarray(16), bytes, bytes.readBigUInt64LE(0) ^ K3, bytes.readBigUInt64LE(8));
  if (length >= 8) {
    const none = bytes.subarray(0, 0);
    return seeded(none, none, bytes.readBigUInt64LE(0) ^ times(BigInt(length), K0), bytes.readBigUInt64LE(length - 8) ^ K1);
  }
  return seeded(bytes, bytes, K0, K1);
}

function murmur(bytes: Buffer, low: bigint, high: bigint): Hash128 {
  let a = low;
  let b = high;
  let c: bigint;
  let d: bigint;
  const length = bytes.length;
  if (length <= 16) {
    a = times(shiftMix(times(a, K1)), K1);
    c = u64(times(b, K1) + hashLength0to16(bytes));
    d = shiftMix(u64(a + (length >= 8 ? bytes.readBigUInt64LE(0) : c)));
  } else {
    c = hashLength16(u64(bytes.readBigUInt64LE(length - 8) + K1), a);
    d = hashLength16(u64(b + BigInt(length)), u64(c + bytes.readBigUInt64LE(length - 16)));
    a = u64(a + d);
    for (let at = 0, left = length - 16; ;) {
      a = times(a ^ times(shiftMix(times(bytes.readBigUInt64LE(at), K1)), K1), K1);
      b ^= a;
      c = times(c ^ times(shiftMix(times(bytes.readBigUInt64LE(at + 8), K1)), K1), K1);
      d ^= c;
      at += 16;
      left -= 16;
      if (left <= 0) break;
    }
  }
  a = hashLength16(a, c);
  b = hashLength16(d, b);
  return { low: a ^ b, high: hashLength16(b, a) };
}

/** `bytes` is a tail of `whole`; the last partial chunk is read from what lies before it. */
function seeded(bytes: Buffer, whole: Buffer, seedLow: bigint, seedHigh: bigint): Hash128 {
  if (bytes.length < 128) return murmur(bytes, seedLow, seedHigh);
  const data = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);
  const fetch = (at: number): bigint => data.getBigUint64(at, true);
  let at = whole.length - bytes.length;
  let left = bytes.length;
  let x = seedLow;
  let y = seedHigh;
  let z = times(BigInt(left), K1);
  let v1 = u64(times(rotate(y ^ K1, 49n), K1) + fetch(at));
  let v2 = u64(times(rotate(v1, 42n), K1) + fetch(at + 8));
  let w1 = u64(times(rotate(u64(y + z), 35n), K1) + x);
  let w2 = times(rotate(u64(x + fetch(at + 88)), 53n), K1);

  // 32 bytes stirred into a pair: (first + its four words, second + what they rotate to).
  const first = (p: number, a: bigint): bigint => u64(a + fetch(p) + fetch(p + 8) + fetch(p + 16) + fetch(p + 24));
  const second = (p: number, a: bigint, b: bigint): bigint => {
    const start = u64(a + fetch(p));
    const middle = u64(start + fetch(p + 8) + fetch(p + 16));
    return u64(rotate(u64(b + start + fetch(p + 24)), 21n) + rotate(middle, 44n) + start);
  };
  for (; left >= 128; left -= 128) {
    for (let half = 0; half < 2; half++, at += 64) {
      x = times(rotate(u64(x + y + v1 + fetch(at + 16)), 37n), K1) ^ w2;
      y = times(rotate(u64(y + v2 + fetch(at + 48)), 42n), K1) ^ v1;
      z = rotate(z ^ w1, 33n);
      const [a, b] = [times(v2, K1), u64(x + w1)];
      v1 = first(at, a);
      v2 = second(at, a, b);
      const [c, d] = [u64(z + w2), y];
      w1 = first(at + 32, c);
      w2 = second(at + 32, c, d);
      [x, z] = [z, x];
    }
  }
  y = u64(y + times(rotate(w1, 37n), K0) + z);
  x = u64(x + times(rotate(u64(v1 + z), 49n), K0));
  for (let done = 0; done < left;) {
    done += 32;
    const p = at + left - done;
    y = u64(times(rotate(u64(y - x), 42n), K0) + v2);
    w1 = u64(w1 + fetch(p + 16));
    x = u64(times(rotate(x, 49n), K0) + w1);
    w1 = u64(w1 + v1);
    const [a, b] = [v1, v2];
    v1 = first(p, a);
    v2 = second(p, a, b);
  }
  x = hashLength16(x, v1);
  y = hashLength16(y, w1);
  return { low: u64(hashLength16(u64(x + v2), w2) + y), high: hashLength16(u64(x + w2), u64(y + v2)) };
}
