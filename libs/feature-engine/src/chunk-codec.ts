import { endianness } from 'node:os';
import { Fault } from '@millrace/kernel';
import { Chunk, type ChunkColumn } from './chunk.js';
import { copyItems } from './copy-items.js';
import { piece, takeBytes } from './state-bytes.js';
import { PARTIALS, type TileTable } from './tile-table.js';
import type { ViewPlan } from './view-plan.js';

/*
 * A chunk's bytes, little-endian, every array aligned to its items so that it can be read in place:
 *   header      u8 format, u8 0, u16 columns, u32 events, u32 dense tiles, u32 0
 *   f64         sums of the dense tiles; number columns (NaN is null)
 *   i64         64-bit integer columns
 *   u32         dense tiles' first events, their counts; event times; id hashes (high, low); ends of the texts by text column
 *   u8          null bits of the 64-bit integer columns, then of the text columns; texts (UTF-8)
 * No padding, no time of writing, nothing but the events: the same events give the same bytes.
 */
const FORMAT = 1;
const HEADER = 16;

if (endianness() !== 'LE') throw new Error('stored chunks are little-endian; this machine is not');

export function encodeChunk(chunk: Chunk): Buffer {
  const { plan, count, columns, tiles } = chunk;
  const texts = columns.flatMap((column) => (column.kind === 'string' ? [encodeTexts(column.values, count)] : []));
  const counts = countKinds(plan);
  const nullBytes = (count + 7) >> 3;
  const size =
    HEADER +
    8 * (tiles.partials.length + count * (counts.number + counts.bigint)) +
    4 * (2 * tiles.count + count * (plan.hasId ? 3 : 1) + count * counts.string) +
    nullBytes * (counts.bigint + counts.string) +
    texts.reduce((sum, text) => sum + text.bytes.length, 0);
  const start = takeBytes(size);
  const { bytes, doubles, longs, words } = piece;
  bytes[start] = FORMAT;
  bytes.writeUInt16LE(columns.length, start + 2);
  bytes.writeUInt32LE(count, start + 4);
  bytes.writeUInt32LE(tiles.count, start + 8);

  let at = (start + HEADER) / 8;
  at = copyItems(doubles, at, tiles.partials, tiles.partials.length);
  for (const column of columns) if (column.kind === 'number') at = copyItems(doubles, at, column.values, count);
  for (const column of columns) {
    if (column.kind !== 'bigint') continue;
    for (let index = 0; index < count; index++) longs[at + index] = BigInt.asIntN(64, column.values[index] ?? 0n);
    at += count;
  }
  at = copyItems(words, at * 2, tiles.first, tiles.count);
  at = copyItems(words, at, tiles.events, tiles.count);
  at = copyItems(words, at, chunk.times, count);
  if (plan.hasId) {
    at = copyItems(words, at, chunk.idHigh, count);
    at = copyItems(words, at, chunk.idLow, count);
  }
  for (const text of texts) at = copyItems(words, at, text.ends, count);
  let offset = at * 4;
  for (const kind of ['bigint', 'string'] as const) {
    for (const column of columns) {
      if (column.kind !== kind) continue;
      for (let index = 0; index < count; index++) {
        if (column.values[index] === null) bytes[offset + (index >> 3)] = (bytes[offset + (index >> 3)] as number) | (1 << (index & 7));
      }
      offset += nullBytes;
    }
  }
  for (const text of texts) offset += text.bytes.copy(bytes, offset);
  return bytes.subarray(start, start + size);
}

/** Reads a chunk back. Its arrays may share memory with `stored` or a copy of it; they are not to be written before the chunk has grown. */
export function decodeChunk(plan: ViewPlan, index: number, stored: Buffer): Chunk {
  if (stored.length < HEADER || stored[0] !== FORMAT || stored.readUInt16LE(2) !== plan.columns.length) {
    throw new Fault('MR_FEATURES_STATE', `stored state of feature view ${plan.name} is not of this version; clear the online store`, false);
  }
  const bytes = aligned(stored);
  const base = bytes.byteOffset;
  const buffer = bytes.buffer;
  const count = stored.readUInt32LE(4);
  const tileCount = stored.readUInt32LE(8);
  const counts = countKinds(plan);
  const partials = tileCount * counts.number * PARTIALS;
  let offset = base + HEADER;
  const take = (length: number): Float64Array => {
    const array = new Float64Array(buffer, offset, length);
    offset += 8 * length;
    return array;
  };
  const takeWords = (length: number): Uint32Array => {
    const array = new Uint32Array(buffer, offset, length);
    offset += 4 * length;
    return array;
  };
  const sums = take(partials);
  const numbers = Array.from({ length: counts.number }, () => take(count));
  const longs = Array.from({ length: counts.bigint }, () => {
    const array = new BigInt64Array(buffer, offset, count);
    offset += 8 * count;
    return array;
  });
  const tiles: TileTable = { count: tileCount, first: takeWords(tileCount), events: takeWords(tileCount), partials: sums };
  const times = takeWords(count);
  const idHigh = takeWords(plan.hasId ? count : 0);
  const idLow = takeWords(plan.hasId ? count : 0);
  const ends = Array.from({ length: counts.string }, () => takeWords(count));
  const nullBytes = (count + 7) >> 3;
  let at = offset - base;
  const nulls = (): ((index: number) => boolean) => {
    const from = at;
    at += nullBytes;
    return (item) => ((bytes[from + (item >> 3)] as number) & (1 << (item & 7))) !== 0;
  };
  const longNulls = longs.map(nulls);
  const textNulls = ends.map(nulls);
  const columns = plan.columns.map((column): ChunkColumn => {
    if (column.kind === 'number') return { kind: 'number', values: numbers.shift() as Float64Array };
    if (column.kind === 'bigint') {
      const array = longs.shift() as BigInt64Array;
      const isNull = longNulls.shift() as (item: number) => boolean;
      const unsigned = column.type.name === 'UInt64';
      return {
        kind: 'bigint',
        values: Array.from(array, (value, item) => (isNull(item) ? null : unsigned ? BigInt.asUintN(64, value) : value)),
      };
    }
    const end = ends.shift() as Uint32Array;
    const isNull = textNulls.shift() as (item: number) => boolean;
    const text = Buffer.from(buffer, base + at, count === 0 ? 0 : end[count - 1]);
    at += text.length;
    return { kind: 'string', values: decodeTexts(text, end, isNull) };
  });
  return new Chunk(plan, index, { count, times, idHigh, idLow, columns, tiles });
}

/** Stores hand out slices of larger buffers; typed arrays need items at multiples of their size. */
function aligned(stored: Buffer): Uint8Array<ArrayBuffer> {
  if (stored.byteOffset % 8 === 0 && stored.buffer instanceof ArrayBuffer) {
    return new Uint8Array(stored.buffer, stored.byteOffset, stored.length);
  }
  const copied = new Uint8Array(stored.length);
  copied.set(stored);
  return copied;
}

/** Cut out of one string where bytes and characters are the same, which takes a tenth of decoding each text by itself. */
function decodeTexts(bytes: Buffer, ends: Uint32Array, isNull: (item: number) => boolean): (string | null)[] {
  const values = new Array<string | null>(ends.length);
  const all = bytes.toString('utf8');
  const isAscii = all.length === bytes.length;
  let from = 0;
  for (let item = 0; item < ends.length; item++) {
    const to = ends[item] as number;
    values[item] = isNull(item) ? null : isAscii ? all.slice(from, to) : bytes.toString('utf8', from, to);
    from = to;
  }
  return values;
}

function encodeTexts(values: readonly (string | null)[], count: number): { ends: Uint32Array; bytes: Buffer } {
  const ends = new Uint32Array(count);
  const parts: Buffer[] = [];
  let end = 0;
  for (let index = 0; index < count; index++) {
    const part = Buffer.from(values[index] ?? '');
    parts.push(part);
    ends[index] = end += part.length;
  }
  return { ends, bytes: Buffer.concat(parts) };
}

/** Plans are few and asked often. */
const KINDS = new WeakMap<ViewPlan, { number: number; bigint: number; string: number }>();

function countKinds(plan: ViewPlan): { number: number; bigint: number; string: number } {
  let counts = KINDS.get(plan);
  if (!counts) {
    counts = { number: 0, bigint: 0, string: 0 };
    for (const column of plan.columns) counts[column.kind]++;
    KINDS.set(plan, counts);
  }
  return counts;
}
