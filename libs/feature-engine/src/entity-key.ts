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
  let size = 0;
  for (const value of values) {
    const length = typeof value === 'string' ? Buffer.byteLength(value) : String(value).length;
    size += 1 + varintSize(length) + length;
  }
  const plain = Buffer.allocUnsafe(size);
  let at = 0;
  for (const value of values) {
    const isText = typeof value === 'string';
    const text = isText ? value : String(value);
    plain[at] = isText ? STRING : INTEGER;
    at = writeVarint(plain, at + 1, isText ? Buffer.byteLength(text) : text.length);
    at += isText ? plain.write(text, at) : plain.write(text, at, 'latin1');
  }
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

function varintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

function writeVarint(out: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  return at;
}
