import type { CommandReply, SubjectState } from '@millrace/kernel';
import { createHash } from 'node:crypto';
import { Packr } from 'msgpackr';

/** Raise when what is stored changes shape: every store of an older format is then emptied and folded anew. */
export const STATE_FORMAT = 1;

/** Keeps plain objects and Maps apart, and knows Set, bigint, bytes, `undefined` and NaN. Only `-0` comes back as 0. */
const packr = new Packr({ useRecords: true, moreTypes: true });

/** LMDB takes keys of up to 1,978 bytes; of a longer name the beginning (for order) and its digest are used. */
const LONGEST_KEY = 1_024;
const KEPT_OF_LONG = 900;

export function keyOf(name: string): Buffer {
  const bytes = Buffer.from(name, 'utf8');
  if (bytes.length <= LONGEST_KEY) return bytes;
  return Buffer.concat([bytes.subarray(0, KEPT_OF_LONG), createHash('sha256').update(bytes).digest()]);
}

export function isLong(name: string): boolean {
  return name.length > LONGEST_KEY / 4 && Buffer.byteLength(name, 'utf8') > LONGEST_KEY;
}

export function encodeSubject(name: string, { sequence, state }: SubjectState): Buffer {
  return packr.pack(isLong(name) ? [sequence, state, name] : [sequence, state]);
}

export function decodeSubject(key: Buffer, bytes: Buffer): readonly [string, SubjectState] {
  const [sequence, state, name = key.toString('utf8')] = unpackList(bytes) as [number, unknown, string?];
  if (!Number.isSafeInteger(sequence)) throw new Error('a subject without a sequence');
  return [name, { sequence, state }];
}

export function encodeReply(reply: CommandReply): Buffer {
  const { subject, sequence, partition, offset, type, data } = reply;
  return packr.pack([subject, sequence, partition, offset, type, data]);
}

export function decodeReply(bytes: Buffer): CommandReply {
  const [subject, sequence, partition, offset, type, data] = unpackList(bytes) as [string, number, number, number, string, unknown];
  return { subject, sequence, partition, offset, type, data };
}

function unpackList(bytes: Buffer): unknown[] {
  const list: unknown = packr.unpack(bytes);
  if (!Array.isArray(list)) throw new Error('not what this store writes');
  return list as unknown[];
}
