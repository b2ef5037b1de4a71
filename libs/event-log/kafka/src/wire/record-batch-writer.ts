import type { NewRecord } from '@millrace/event-log';
import { crc32c } from './crc32c.js';
import { RECORDS_AT } from './record-batch-reader.js';

/** A record measured once, so that batches can be cut by size before anything is written. */
export interface PreparedRecord {
  readonly record: NewRecord;
  readonly timestamp: number;
  readonly keyLength: number;
  readonly headers: readonly { readonly name: string; readonly nameLength: number; readonly value: string; readonly valueLength: number }[];
  /** Bytes of all but the two deltas and the length in front. */
  readonly fixedLength: number;
}

/** Each delta and the length take at most this; sizes are planned with it so that a batch never grows beyond its plan. */
const LONGEST_VARIABLE_PARTS = 10 + 5 + 5;

const ATTRIBUTES = 1;

/** The most a record can add to a batch. */
export function sizeInBatch(prepared: PreparedRecord): number {
  return prepared.fixedLength + LONGEST_VARIABLE_PARTS;
}

/** What a batch takes beside its records. */
export const BATCH_OVERHEAD = RECORDS_AT;

export function prepare(record: NewRecord, now: number): PreparedRecord {
  const keyLength = record.key === null ? -1 : Buffer.byteLength(record.key);
  const entries = record.headers === undefined ? [] : Object.entries(record.headers);
  let fixedLength = ATTRIBUTES + sizeOfBytes(keyLength) + sizeOfBytes(record.value.length) + sizeOfVarint(entries.length);
  const headers = entries.map(([name, value]) => {
    const nameLength = Buffer.byteLength(name);
    const valueLength = Buffer.byteLength(value);
    fixedLength += sizeOfBytes(nameLength) + sizeOfBytes(valueLength);
    return { name, nameLength, value, valueLength };
  });
  return { record, timestamp: record.timestamp ?? now, keyLength, headers, fixedLength };
}

export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly epoch: number;
}

/** A batch of format 2, uncompressed, that the broker takes once however often it is sent: producer, epoch and sequence name it. */
export function encodeBatch(records: readonly PreparedRecord[], identity: ProducerIdentity, sequence: number): Buffer {
  const baseTimestamp = (records[0] as PreparedRecord).timestamp;
  let length = RECORDS_AT;
  const bodyLengths = records.map((prepared, index) => {
    const bodyLength = prepared.fixedLength + sizeOfVarlong(prepared.timestamp - baseTimestamp) + sizeOfVarint(index);
    length += sizeOfVarint(bodyLength) + bodyLength;
    return bodyLength;
  });
  const buffer = Buffer.allocUnsafe(length);
  let maxTimestamp = baseTimestamp;
  let at = RECORDS_AT;
  for (let index = 0; index < records.length; index++) {
    const prepared = records[index] as PreparedRecord;
    maxTimestamp = Math.max(maxTimestamp, prepared.timestamp);
    at = writeVarint(buffer, at, bodyLengths[index] as number);
    at = writeRecord(buffer, at, prepared, prepared.timestamp - baseTimestamp, index);
  }
  buffer.writeBigInt64BE(0n, 0);
  buffer.writeInt32BE(length - 12, 8);
  buffer.writeInt32BE(-1, 12);
  buffer.writeInt8(2, 16);
  buffer.writeInt16BE(0, 21);
  buffer.writeInt32BE(records.length - 1, 23);
  writeInt64(buffer, 27, baseTimestamp);
  writeInt64(buffer, 35, maxTimestamp);
  buffer.writeBigInt64BE(identity.producerId, 43);
  buffer.writeInt16BE(identity.epoch, 51);
  buffer.writeInt32BE(sequence, 53);
  buffer.writeInt32BE(records.length, 57);
  buffer.writeUInt32BE(crc32c(buffer, 21, length), 17);
  return buffer;
}

function writeRecord(buffer: Buffer, start: number, prepared: PreparedRecord, timestampDelta: number, offsetDelta: number): number {
  const { record, keyLength, headers } = prepared;
  let at = start;
  buffer[at++] = 0;
  at = writeVarlong(buffer, at, timestampDelta);
  at = writeVarint(buffer, at, offsetDelta);
  at = writeVarint(buffer, at, keyLength);
  if (record.key !== null && keyLength > 0) at += buffer.write(record.key, at, 'utf8');
  at = writeVarint(buffer, at, record.value.length);
  // Not `copy`: the value may be a Uint8Array of another realm.
  buffer.set(record.value, at);
  at = writeVarint(buffer, at + record.value.length, headers.length);
  for (const header of headers) {
    at = writeVarint(buffer, at, header.nameLength);
    at += buffer.write(header.name, at, 'utf8');
    at = writeVarint(buffer, at, header.valueLength);
    if (header.valueLength > 0) at += buffer.write(header.value, at, 'utf8');
  }
  return at;
}

function sizeOfBytes(length: number): number {
  return sizeOfVarint(length) + Math.max(length, 0);
}

function sizeOfVarint(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  for (; rest >= 0x80; rest >>>= 7) size++;
  return size;
}

function writeVarint(buffer: Buffer, start: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let at = start;
  for (; rest >= 0x80; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
  buffer[at++] = rest;
  return at;
}

function sizeOfVarlong(value: number): number {
  let rest = zigzag(value);
  let size = 1;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) size++;
  return size;
}

function writeVarlong(buffer: Buffer, start: number, value: number): number {
  let rest = zigzag(value);
  let at = start;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) buffer[at++] = (rest % 128) | 0x80;
  buffer[at++] = rest;
  return at;
}

/** In doubles: differences of times in milliseconds stay far below 2^52. */
function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

function writeInt64(buffer: Buffer, at: number, value: number): void {
  buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
  buffer.writeUInt32BE(((value % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000, at + 4);
}
