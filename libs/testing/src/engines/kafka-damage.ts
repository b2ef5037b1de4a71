import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KafkaEngine } from './kafka.js';

/**
 * How a stored batch is spoilt. `checksum`: bytes changed on the disk. `compression`: said to be compressed with snappy while its bytes are
 * not, under a checksum that is right, as a broken producer or broker would leave it. A broker refuses both when they are
 * sent to it, so they can only be made in its files.
 */
export type Damage = 'checksum' | 'compression';

const LENGTH_AT = 8;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const SNAPPY = 2;

/** A batch to spoil, by a record it holds. */
export interface DamagedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly damage: Damage;
}

/** Spoils the batches that hold the offsets. The broker is stopped for it, once, and started again. */
export async function damageBatches(kafka: KafkaEngine, damages: readonly DamagedBatch[]): Promise<void> {
  await kafka.whileStopped(async () => {
    for (const { topic, partition, offset, damage } of damages) {
      const segment = join(kafka.logDirectory, `${topic}-${partition}`, `${'0'.repeat(20)}.log`);
      const bytes = await readFile(segment);
      spoil(batchOf(bytes, offset), damage);
      await writeFile(segment, bytes);
    }
  });
}

function spoil(batch: Buffer, damage: Damage): void {
  if (damage === 'compression') {
    batch.writeInt16BE((batch.readInt16BE(ATTRIBUTES_AT) & ~7) | SNAPPY, ATTRIBUTES_AT);
    batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT);
  } else {
    const last = batch.length - 1;
    batch[last] = (batch[last] as number) ^ 0xff;
  }
}

function batchOf(segment: Buffer, offset: number): Buffer {
  for (let at = 0; at < segment.length;) {
    const end = at + 12 + segment.readInt32BE(at + LENGTH_AT);
    const batch = segment.subarray(at, end);
    const first = Number(batch.readBigInt64BE(0));
    if (offset >= first && offset <= first + batch.readInt32BE(LAST_OFFSET_DELTA_AT)) return batch;
    at = end;
  }
  throw new Error(`there is no batch with offset ${offset} in the partition's first segment`);
}

function crc32c(bytes: Buffer): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ -1) >>> 0;
}
