import { constants, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { decompressFrameSync } from 'lz4-napi';
import { uncompressSync } from 'snappy';

/** No batch a broker takes unpacks to more; one that would is a bomb, and unreadable. */
const LARGEST_UNPACKED = 512 * 1024 * 1024;

/** What a batch's attributes say it is packed with, and how to unpack it. Foreign producers use all of them. */
const UNPACK: Readonly<Record<number, (bytes: Buffer) => Buffer>> = {
  0: (bytes) => bytes,
  1: (bytes) => gunzipSync(bytes, { maxOutputLength: LARGEST_UNPACKED }),
  2: unpackSnappy,
  3: (bytes) => decompressFrameSync(bytes),
  // Brokers cut nothing off, but a frame may lack its content size; `ZSTD_e_end` asks for a whole frame.
  4: (bytes) => zstdDecompressSync(bytes, { maxOutputLength: LARGEST_UNPACKED, finishFlush: constants.ZSTD_e_end }),
};

/** Unpacks the records of a batch. Throws on an unknown codec and on bytes that are not what the codec says. */
export function unpack(codec: number, bytes: Buffer): Buffer {
  const unpackBytes = UNPACK[codec];
  if (!unpackBytes) throw new Error(`compression codec ${codec} is unknown`);
  return unpackBytes(bytes);
}

/** The framing of Java's snappy streams: magic, two version numbers, then length-prefixed blocks. Others send one raw block. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER = 16;

function unpackSnappy(bytes: Buffer): Buffer {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return unpackBlock(bytes);
  const blocks: Buffer[] = [];
  for (let at = XERIAL_HEADER; at < bytes.length;) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0 || at + length > bytes.length) throw new Error('a snappy block reaches beyond its frame');
    blocks.push(unpackBlock(bytes.subarray(at, at + length)));
    at += length;
  }
  return Buffer.concat(blocks);
}

function unpackBlock(block: Buffer): Buffer {
  return uncompressSync(block, { asBuffer: true }) as Buffer;
}
