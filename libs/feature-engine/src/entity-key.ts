import { createHash } from 'node:crypto';
import type { ColumnType, Value } from './column-type.js';

/** Above this an entity's key is replaced by its SHA-256: stores limit their keys. */
const LONGEST_PLAIN_KEY = 512;
const STRING = 1;
const INTEGER = 2;
const DIGEST = 255;

/**
 * An entity's key as bytes: each value typed and length-prefixed, so ("1","23") and ("12","3"), and "1" and 1, stay apart.
 * Values are the engine's, already of their declared types.
 */
export function encodeEntityKey(values: readonly Value[]): Buffer {
  const parts: Buffer[] = [];
  for (const value of values) {
    const bytes = Buffer.from(typeof value === 'string' ? value : String(value));
    parts.push(Buffer.from([typeof value === 'string' ? STRING : INTEGER]), varint(bytes.length), bytes);
  }
  const plain = Buffer.concat(parts);
  if (plain.length <= LONGEST_PLAIN_KEY) return plain;
  return Buffer.concat([Buffer.from([DIGEST]), createHash('sha256').update(plain).digest()]);
}

/** The same as text, for maps: one string stands for itself, several are length-prefixed. */
export function entityKeyText(values: readonly Value[]): string {
  if (values.length === 1) return String(values[0]);
  let text = '';
  for (const value of values) {
    const part = String(value);
    text += `${part.length}:${part}`;
  }
  return text;
}

/** Types a join key may have: what compares equal must be equal. */
export function isKeyType(type: ColumnType): boolean {
  return !type.nullable && (type.kind === 'string' || type.isInteger || type.name === 'Bool');
}

/** The record key of an event: one value as its text, several as a JSON array, as a producer in any language can write it. */
export function recordKeyOf(values: readonly Value[]): string {
  if (values.length === 1) return String(values[0]);
  return JSON.stringify(values.map((value) => (typeof value === 'bigint' ? value.toString() : value)));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
