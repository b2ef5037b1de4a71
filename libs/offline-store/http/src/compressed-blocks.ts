import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { compressSync, uncompressSync } from 'lz4-napi';
import { cityHash128 } from './city-hash-128.js';
import { ClickHouseError } from './clickhouse-error.js';

/**
 * ClickHouse's own compressed stream (`compress=1` and `decompress=1`): blocks of a 16-byte CityHash128 checksum, a method byte, the
 * compressed size with these 9 bytes, the size, and the data.
 */
export type BlockMethod = 'LZ4' | 'ZSTD' | 'NONE';

const METHOD_BYTE: Record<BlockMethod, number> = { LZ4: 0x82, ZSTD: 0x90, NONE: 0x02 };
const METHOD_OF = new Map(Object.entries(METHOD_BYTE).map(([method, byte]) => [byte, method as BlockMethod]));

const CHECKSUM = 16;
const HEADER = 9;
const BLOCK_BYTES = 1024 * 1024;
/** ClickHouse itself refuses blocks over 1 GiB; nobody sends ones as large as this. */
const LARGEST_BLOCK = 256 * 1024 * 1024;

/** Cuts bytes into compressed blocks. Gives the event loop a turn after each: a block takes milliseconds. */
export async function* compressBlocks(bytes: Buffer, method: BlockMethod): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    yield compressBlock(bytes.subarray(at, at + BLOCK_BYTES), method);
    await turn();
  }
}

export function compressBlock(bytes: Buffer, method: BlockMethod): Buffer {
  const data = compressed(bytes, method);
  const block = Buffer.allocUnsafe(CHECKSUM + HEADER + data.length);
  block[CHECKSUM] = METHOD_BYTE[method];
  block.writeUInt32LE(HEADER + data.length, CHECKSUM + 1);
  block.writeUInt32LE(bytes.length, CHECKSUM + 5);
  data.copy(block, CHECKSUM + HEADER);
  const { low, high } = cityHash128(block.subarray(CHECKSUM));
  block.writeBigUInt64LE(low, 0);
  block.writeBigUInt64LE(high, 8);
  return block;
}

/** Reads a stream of blocks; refuses damaged ones and more than `maxBytes` in all. */
export async function decompressBlocks(stream: Buffer, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let total = 0;
  for (let at = 0; at < stream.length;) {
    if (stream.length - at < CHECKSUM + HEADER) throw damaged('the stream ends in the middle of a block header');
    const size = stream.readUInt32LE(at + CHECKSUM + 1);
    const length = stream.readUInt32LE(at + CHECKSUM + 5);
    const end = at + CHECKSUM + size;
    if (size < HEADER || end > stream.length) throw damaged('the stream ends in the middle of a block');
    total += length;
    if (length > LARGEST_BLOCK || total > maxBytes)
      throw new ClickHouseError(223, 'QUERY_IS_TOO_LARGE', `the data is over ${maxBytes} bytes`);
    const { low, high } = cityHash128(stream.subarray(at + CHECKSUM, end));
    if (stream.readBigUInt64LE(at) !== low || stream.readBigUInt64LE(at + 8) !== high)
      throw new ClickHouseError(40, 'CHECKSUM_DOESNT_MATCH', 'Checksum doesn’t match: corrupted data');
    parts.push(decompressed(stream[at + CHECKSUM] as number, stream.subarray(at + CHECKSUM + HEADER, end), length));
    at = end;
    await turn();
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, total);
}

function compressed(bytes: Buffer, method: BlockMethod): Buffer {
  switch (method) {
    case 'NONE':
      return bytes;
    case 'ZSTD':
      return zstdCompressSync(bytes);
    case 'LZ4':
      // The library puts the size in front; ClickHouse has it in its header.
      return compressSync(bytes).subarray(4);
  }
}

function decompressed(methodByte: number, data: Buffer, length: number): Buffer {
  const method = METHOD_OF.get(methodByte);
  if (!method) throw new ClickHouseError(89, 'UNKNOWN_COMPRESSION_METHOD', `Unknown compression method: 0x${methodByte.toString(16)}`);
  let bytes: Buffer;
  try {
    bytes = decompress(method, data, length);
  } catch {
    throw damaged('the block does not decompress');
  }
  if (bytes.length !== length) throw damaged(`a block of ${length} bytes holds ${bytes.length}`);
  return bytes;
}

function decompress(method: BlockMethod, data: Buffer, length: number): Buffer {
  switch (method) {
    case 'NONE':
      return data;
    case 'ZSTD':
      return zstdDecompressSync(data, { maxOutputLength: Math.max(length, 1) });
    case 'LZ4': {
      const prefixed = Buffer.allocUnsafe(4 + data.length);
      prefixed.writeUInt32LE(length, 0);
      data.copy(prefixed, 4);
      return uncompressSync(prefixed);
    }
  }
}

function damaged(message: string): ClickHouseError {
  return new ClickHouseError(271, 'CANNOT_DECOMPRESS', `Cannot decompress: ${message}`);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
