const WORD = 0x1_0000_0000;

/** `topic id u32 | partition u32`, big-endian. */
export function partitionKey(topicId: number, partition: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeUInt32BE(topicId, 0);
  key.writeUInt32BE(partition, 4);
  return key;
}

/** `topic id u32 | partition u32 | first offset u64`, big-endian, so that LMDB's byte order is the partition's order. */
export function chunkKey(topicId: number, partition: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(16);
  key.writeUInt32BE(topicId, 0);
  key.writeUInt32BE(partition, 4);
  writeOffset(key, 8, offset);
  return key;
}

export function offsetOf(chunk: Buffer): number {
  return readOffset(chunk, 8);
}

export function encodeOffset(offset: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeOffset(bytes, 0, offset);
  return bytes;
}

export function readOffset(bytes: Buffer, at = 0): number {
  return bytes.readUInt32BE(at) * WORD + bytes.readUInt32BE(at + 4);
}

function writeOffset(bytes: Buffer, at: number, offset: number): void {
  bytes.writeUInt32BE(Math.floor(offset / WORD), at);
  bytes.writeUInt32BE(offset >>> 0, at + 4);
}
