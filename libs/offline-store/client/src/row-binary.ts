import { GrowingBytes } from './growing-bytes.js';

const TWO_32 = 4_294_967_296;
/** Below it, and if it is plain ASCII, a text is written character by character: a call into the engine costs more. */
const SHORT_TEXT = 48;

/** Values one after the other as ClickHouse's RowBinary has them, in bytes that grow in place. */
export class RowBinary extends GrowingBytes {
  /** Writes again what is at `from` to `to`. */
  again(from: number, to: number): void {
    this.reserve(to - from);
    this.bytes.copyWithin(this.end, from, to);
    this.end += to - from;
  }

  /** `String`, also where the column is `LowCardinality(String)`. */
  text(text: string): void {
    this.reserve(text.length * 3 + 5);
    if (text.length < SHORT_TEXT && this.#ascii(text)) return;
    this.length32(Buffer.byteLength(text));
    this.end += this.bytes.write(text, this.end);
  }

  /** How many bytes or elements follow: what stands before a `String` and an `Array`. */
  length32(length: number): void {
    this.reserve(5);
    for (let rest = length; ; rest >>>= 7) {
      this.bytes[this.end++] = rest < 128 ? rest : (rest & 127) | 128;
      if (rest < 128) break;
    }
  }

  /** Values that are in ClickHouse's own layout already: of a typed array, for example. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
  }

  uint8(value: number): void {
    this.reserve(1);
    this.end = this.bytes.writeUInt8(value, this.end);
  }

  uint32(value: number): void {
    this.reserve(4);
    this.end = this.bytes.writeUInt32LE(value, this.end);
  }

  uint64(value: number): void {
    if (value < 0) throw new RangeError(`${value} is no UInt64`);
    this.int64(value);
  }

  /** Throws a RangeError for what is no 64-bit integer. */
  int64(value: number): void {
    this.reserve(8);
    if (Number.isSafeInteger(value)) {
      this.bytes.writeUInt32LE(value >>> 0, this.end);
      this.bytes.writeInt32LE(Math.floor(value / TWO_32), this.end + 4);
    } else this.bytes.writeBigInt64LE(BigInt(value), this.end);
    this.end += 8;
  }

  float64(value: number): void {
    this.reserve(8);
    this.end = this.bytes.writeDoubleLE(value, this.end);
  }

  #ascii(text: string): boolean {
    let at = this.end;
    this.bytes[at++] = text.length;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 127) return false;
      this.bytes[at++] = code;
    }
    this.end = at;
    return true;
  }
}
