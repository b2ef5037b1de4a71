import type { Headers, LogRecord, NewRecord } from '@millrace/event-log';
import { crc32 } from 'node:zlib';

/*
 * A chunk is what one commit writes to one partition: records packed into one LMDB value, which is several times faster than a
 * value per record. Layout, little-endian:
 *
 *   chunk   version u8 | 3 bytes 0 | crc32 u32 of all that follows | count u32 | appended at f64 | record …
 *   record  value length u32 | key length + 1 u32, 0 for no key | headers length u32 | timestamp f64 | key | headers | value
 *
 * Keys are UTF-8, headers JSON (nothing when there are none). Offsets are not stored: the first is in the chunk's key,
 * the others count on.
 */
const VERSION = 1;
const CHUNK_HEADER = 20;
const CRC_FROM = 8;
const RECORD_HEADER = 20;

const NO_HEADERS: Headers = Object.freeze({});

/** An upper bound of what a record takes in a chunk; close enough for bounds and batch sizes. */
export function sizeOf(record: NewRecord): number {
  let size = RECORD_HEADER + record.value.length;
  if (record.key !== null) size += record.key.length;
  const headers = record.headers;
  if (headers) for (const name in headers) size += name.length + (headers[name] as string).length + 6;
  return size;
}

/** Packs records as they are appended, so that the caller's buffers are free again at once. */
export class ChunkBuilder {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the first record; known once the chunk is written. */
  base = -1;
  #buffer: Buffer;
  #length = CHUNK_HEADER;
  readonly #records: NewRecord[] = [];
  readonly #valueEnds: number[] = [];
  readonly #timestamps: number[] = [];

  constructor(topic: string, partition: number, capacity: number) {
    this.topic = topic;
    this.partition = partition;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(capacity, 256));
  }

  get count(): number {
    return this.#records.length;
  }

  get bytes(): number {
    return this.#length;
  }

  /** Returns the record's place in the chunk. */
  add(record: NewRecord, now: number): number {
    const { key, value, headers } = record;
    const headersText = headers === undefined ? '' : JSON.stringify(headers);
    const most = RECORD_HEADER + value.length + (key === null ? 0 : key.length * 3) + headersText.length * 3;
    if (this.#length + most > this.#buffer.length) this.#grow(most);
    const buffer = this.#buffer;
    const start = this.#length;
    let at = start + RECORD_HEADER;
    const keyLength = key === null || key === '' ? 0 : buffer.write(key, at, 'utf8');
    at += keyLength;
    const headersLength = headersText.length <= 2 ? 0 : buffer.write(headersText, at, 'utf8');
    at += headersLength;
    buffer.set(value, at);
    at += value.length;
    const timestamp = record.timestamp ?? now;
    buffer.writeUInt32LE(value.length, start);
    buffer.writeUInt32LE(key === null ? 0 : keyLength + 1, start + 4);
    buffer.writeUInt32LE(headersLength, start + 8);
    buffer.writeDoubleLE(timestamp, start + 12);
    this.#length = at;
    this.#valueEnds.push(at);
    this.#timestamps.push(timestamp);
    return this.#records.push(record) - 1;
  }

  /** The chunk's bytes, to be written. */
  seal(now: number): Buffer {
    const buffer = this.#buffer;
    buffer.fill(0, 0, 4);
    buffer.writeUInt8(VERSION, 0);
    buffer.writeUInt32LE(this.count, 8);
    buffer.writeDoubleLE(now, 12);
    const chunk = buffer.subarray(0, this.#length);
    buffer.writeUInt32LE(crc32(chunk.subarray(CRC_FROM)), 4);
    return chunk;
  }

  /** The records as a reader will see them, without decoding; values are views of the chunk, not of the caller's buffers. */
  logRecords(): LogRecord[] {
    const { topic, partition, base } = this;
    return this.#records.map((record, index) => {
      const end = this.#valueEnds[index] as number;
      return {
        topic,
        partition,
        offset: base + index,
        key: record.key,
        value: this.#buffer.subarray(end - record.value.length, end),
        headers: record.headers ?? NO_HEADERS,
        timestamp: this.#timestamps[index] as number,
      };
    });
  }

  #grow(more: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#length + more));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** Whether the bytes are a chunk, whole and unchanged; otherwise what is wrong with them. */
export function flawOf(chunk: Buffer): string | undefined {
  if (chunk.length < CHUNK_HEADER) return `a chunk of ${chunk.length} bytes is too short`;
  if (chunk[0] !== VERSION) return `chunk version ${String(chunk[0])} is unknown to this build`;
  const [stored, actual] = [chunk.readUInt32LE(4), crc32(chunk.subarray(CRC_FROM))];
  return stored === actual ? undefined : `the checksum is ${actual.toString(16)}, stored was ${stored.toString(16)}`;
}

export function countOf(chunk: Buffer): number {
  return chunk.readUInt32LE(8);
}

/** When the chunk was appended, by the log's clock: retention goes by it. */
export function appendedAt(chunk: Buffer): number {
  return chunk.readDoubleLE(12);
}

export interface ChunkRange {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the chunk's first record. */
  readonly base: number;
  readonly from: number;
  readonly maxRecords: number;
  readonly maxBytes: number;
}

/** Appends the chunk's records from `from` on to `into`, within the limits but at least one; returns the bytes of keys, headers and values taken. */
export function decodeChunk(chunk: Buffer, range: ChunkRange, into: LogRecord[]): number {
  const { topic, partition, base, from, maxRecords, maxBytes } = range;
  const count = countOf(chunk);
  let at = CHUNK_HEADER;
  let taken = 0;
  let bytes = 0;
  for (let index = 0; index < count && taken < maxRecords; index++) {
    const valueLength = chunk.readUInt32LE(at);
    const keyLength = chunk.readUInt32LE(at + 4);
    const headersLength = chunk.readUInt32LE(at + 8);
    const keyAt = at + RECORD_HEADER;
    const headersAt = keyAt + Math.max(0, keyLength - 1);
    const valueAt = headersAt + headersLength;
    const end = valueAt + valueLength;
    if (base + index >= from) {
      bytes += end - keyAt;
      if (taken > 0 && bytes > maxBytes) return bytes;
      into.push({
        topic,
        partition,
        offset: base + index,
        key: keyLength === 0 ? null : chunk.toString('utf8', keyAt, headersAt),
        value: chunk.subarray(valueAt, end),
        headers: headersLength === 0 ? NO_HEADERS : (JSON.parse(chunk.toString('utf8', headersAt, valueAt)) as Headers),
        timestamp: chunk.readDoubleLE(at + 12),
      });
      taken++;
    }
    at = end;
  }
  return bytes;
}
