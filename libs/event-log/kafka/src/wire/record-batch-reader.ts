import type { LogRecord } from '@millrace/event-log';
import { unpack } from './codecs.js';
import { crc32c } from './crc32c.js';

/** A batch of Kafka's record format 2 as it came over the wire; its records are read when they are asked for. */
export interface RawBatch {
  readonly baseOffset: number;
  /** Offset of the last record it was written with; compaction may have taken that record away. */
  readonly lastOffset: number;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  /** Ends a transaction; holds no record of anybody. */
  readonly isControl: boolean;
  readonly magic: number;
  readonly bytes: Buffer;
}

// Where the fields of a batch are. The first 17 bytes mean the same in every format.
const LENGTH_AT = 8;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const COUNT_AT = 57;
export const RECORDS_AT = 61;
const LENGTH_OVERHEAD = 12;

const CODEC = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/** The batches of a fetched record set, in order. A batch cut off at the end is left out: it is fetched again whole. */
export function* batchesOf(recordSet: Buffer): Generator<RawBatch> {
  for (let at = 0; at + RECORDS_AT <= recordSet.length;) {
    const end = at + LENGTH_OVERHEAD + recordSet.readInt32BE(at + LENGTH_AT);
    if (end > recordSet.length) return;
    const bytes = recordSet.subarray(at, end);
    const baseOffset = readInt64(bytes, 0);
    const magic = bytes.readInt8(MAGIC_AT);
    const attributes = magic === 2 ? bytes.readInt16BE(ATTRIBUTES_AT) : 0;
    yield {
      baseOffset,
      // A compressed set of the old formats carries the offset of its last record here.
      lastOffset: magic === 2 ? baseOffset + bytes.readInt32BE(LAST_OFFSET_DELTA_AT) : baseOffset,
      producerId: magic === 2 ? bytes.readBigInt64BE(PRODUCER_ID_AT) : -1n,
      isTransactional: (attributes & TRANSACTIONAL) !== 0,
      isControl: (attributes & CONTROL) !== 0,
      magic,
      bytes,
    };
    at = end;
  }
}

/** True when a control batch ends its transaction by abortion. */
export function isAbort(batch: RawBatch): boolean {
  const reader = new RecordReader(batch.bytes, RECORDS_AT);
  try {
    reader.varint(); // length
    reader.skip(1); // attributes
    reader.varlong(); // timestamp
    reader.varint(); // offset
    const key = reader.bytes();
    // Version, then type: 0 aborts, 1 commits.
    return key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
  } catch {
    return false;
  }
}

/** The records of a batch from offset `from` on. Throws when the batch is not what it says it is. */
export function recordsOf(topic: string, partition: number, batch: RawBatch, from: number): LogRecord[] {
  const { bytes, baseOffset, magic } = batch;
  if (magic !== 2) throw new Error(`record format ${magic} is older than Kafka 0.11 and not read`);
  const crc = crc32c(bytes, ATTRIBUTES_AT, bytes.length);
  if (crc !== bytes.readUInt32BE(CRC_AT)) throw new Error('the checksum (CRC-32C) of the batch is wrong');
  const attributes = bytes.readInt16BE(ATTRIBUTES_AT);
  const baseTimestamp = readInt64(bytes, BASE_TIMESTAMP_AT);
  const appendTime = attributes & LOG_APPEND_TIME ? readInt64(bytes, MAX_TIMESTAMP_AT) : undefined;
  const count = bytes.readInt32BE(COUNT_AT);
  const reader = new RecordReader(unpack(attributes & CODEC, bytes.subarray(RECORDS_AT)), 0);
  const records: LogRecord[] = [];
  for (let index = 0; index < count; index++) {
    const length = reader.varint();
    const end = reader.at + length;
    if (length < 0 || end > reader.length) throw new Error('a record reaches beyond its batch');
    reader.skip(1);
    const timestampDelta = reader.varlong();
    const offset = baseOffset + reader.varint();
    if (offset >= from) {
      const key = reader.text();
      const value = reader.bytes() ?? EMPTY;
      const headers = reader.headers();
      records.push({ topic, partition, offset, key, value, headers, timestamp: appendTime ?? baseTimestamp + timestampDelta });
      if (reader.at > end) throw new Error('a record is longer than it says');
    }
    reader.at = end;
  }
  return records;
}

const EMPTY = Buffer.alloc(0);

function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

/** Reads the variable-length encoding inside a batch. Reading beyond the end throws. */
class RecordReader {
  readonly #buffer: Buffer;
  readonly length: number;
  at: number;

  constructor(buffer: Buffer, at: number) {
    this.#buffer = buffer;
    this.length = buffer.length;
    this.at = at;
  }

  skip(count: number): void {
    this.at += count;
  }

  /** Zigzag, up to 32 bits. */
  varint(): number {
    let byte = this.#byte();
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new Error('a number is longer than 32 bits');
  }

  /** Zigzag, up to 53 bits: differences of times. */
  varlong(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    throw new Error('a number is longer than 64 bits');
  }

  bytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const start = this.#take(length);
    return this.#buffer.subarray(start, this.at);
  }

  text(): string | null {
    const length = this.varint();
    if (length < 0) return null;
    const start = this.#take(length);
    return this.#buffer.toString('utf8', start, this.at);
  }

  headers(): Record<string, string> {
    const headers: Record<string, string> = {};
    for (let count = this.varint(); count > 0; count--) {
      const name = this.text() ?? '';
      const text = this.text() ?? '';
      // Anybody's header may be called so, and assigning it would set the object's prototype.
      if (name === '__proto__') Object.defineProperty(headers, name, { value: text, enumerable: true, configurable: true, writable: true });
      else headers[name] = text;
    }
    return headers;
  }

  #byte(): number {
    if (this.at >= this.length) throw new Error('the batch ends within a record');
    return this.#buffer[this.at++] as number;
  }

  #take(length: number): number {
    const start = this.at;
    if (start + length > this.length) throw new Error('a field reaches beyond its batch');
    this.at = start + length;
    return start;
  }
}
