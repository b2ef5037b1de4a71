/** Reads protocol buffers' wire format: fields in the order they come. Throws a RangeError on what is cut short. */
export class ProtobufReader {
  #at = 0;
  readonly #view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.bytes.length;
  }

  /** The next field's number and wire type. */
  tag(): { readonly field: number; readonly wire: number } {
    const tag = Number(this.varint());
    const field = tag >>> 3;
    if (field === 0) throw new RangeError('a field has the number 0');
    return { field, wire: tag & 7 };
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError('a number is longer than 64 bits');
  }

  fixed64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  fixed32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  double(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** A length-delimited field: text, bytes or a message. */
  slice(): Uint8Array {
    const length = Number(this.varint());
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  text(): string {
    return Buffer.from(this.slice()).toString('utf8');
  }

  skip(wire: number): void {
    if (wire === 0) this.varint();
    else if (wire === 1) this.#take(8);
    else if (wire === 2) this.slice();
    else if (wire === 5) this.#take(4);
    else throw new RangeError(`a field has the wire type ${wire}`);
  }

  #byte(): number {
    return this.bytes[this.#take(1)] as number;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.bytes.length - at) throw new RangeError('the message is cut short');
    this.#at += length;
    return at;
  }
}

type Fields = Readonly<Record<number, (reader: ProtobufReader) => void>>;

/** Reads a message by its fields; those that are not named are passed over. */
export function readMessage(bytes: Uint8Array, fields: Fields): void {
  const reader = new ProtobufReader(bytes);
  while (!reader.isAtEnd) {
    const { field, wire } = reader.tag();
    const read = fields[field];
    if (read) read(reader);
    else reader.skip(wire);
  }
}
