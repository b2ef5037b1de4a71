import type { ViewPlan } from './view-plan.js';

/*
 * Keys in the online store. State of a view: `f`, its state hash (8 bytes), then
 *   `p`, u16 partition                                  checkpoint: offset of the next record to apply, u64
 *   `h`, entity key, u16 partition                      head of an entity
 *   `c`, entity key, u16 partition, u48 chunk index     chunk of an entity
 * The entity key delimits itself, so no key is a prefix of another of its kind. `m`, view name: which state hash the name stands for. `l`, state hash: no name stands for it any more; it is to be removed, and nobody writes to it while this is there.
 */
const HEAD = 0x68;
const CHUNK = 0x63;
const CHECKPOINT = 0x70;
/** Chunk indexes before 1970 are negative; shifted, they sort as bytes. */
const BIAS = 2 ** 47;

/** Everything stored for a view's state. */
export function statePrefix(stateHash: Buffer): Buffer {
  return Buffer.concat([Buffer.from('f'), stateHash]);
}

export function checkpointKey(plan: ViewPlan, partition: number): Buffer {
  const key = Buffer.allocUnsafe(12);
  key[0] = 0x66;
  plan.stateHash.copy(key, 1);
  key[9] = CHECKPOINT;
  key.writeUInt16BE(partition, 10);
  return key;
}

export function headKey(plan: ViewPlan, entity: Buffer, partition: number): Buffer {
  const key = Buffer.allocUnsafe(12 + entity.length);
  key[0] = 0x66;
  plan.stateHash.copy(key, 1);
  key[9] = HEAD;
  entity.copy(key, 10);
  key.writeUInt16BE(partition, 10 + entity.length);
  return key;
}

export function chunkKey(plan: ViewPlan, entity: Buffer, partition: number, index: number): Buffer {
  const key = Buffer.allocUnsafe(18 + entity.length);
  key[0] = 0x66;
  plan.stateHash.copy(key, 1);
  key[9] = CHUNK;
  entity.copy(key, 10);
  key.writeUInt16BE(partition, 10 + entity.length);
  key.writeUIntBE(index + BIAS, 12 + entity.length, 6);
  return key;
}

/** Says which state hash a view's name stands for: what reads of the name are answered from, until its newest state is up and takes its place. */
export function viewKey(name: string): Buffer {
  return Buffer.from(`m${name}`);
}

/** Says that a state is to be removed once nobody can be reading it any more; of no hash: what all such keys begin with. */
export function leavingKey(stateHash: Buffer): Buffer {
  return Buffer.concat([Buffer.from('l'), stateHash]);
}

export function stateOfLeaving(key: Buffer): Buffer {
  return Buffer.from(key.subarray(1));
}

export function encodeCheckpoint(nextOffset: number): Buffer {
  const value = Buffer.allocUnsafe(8);
  value.writeBigUInt64BE(BigInt(nextOffset));
  return value;
}

export function decodeCheckpoint(value: Buffer | null): number {
  return value === null ? 0 : Number(value.readBigUInt64BE());
}
