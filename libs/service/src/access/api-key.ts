import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const FORM = /^mr_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;
const SECRET_BYTES = 32;

/** A new key: `mr_<id>_<256 random bits>`. So much randomness needs no slow hash: nobody can try keys until one fits the hash. */
export function newApiKey(keyId: string): string {
  return `mr_${keyId}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

/** The id inside a key; `undefined` for what is no key of ours. */
export function keyIdOf(text: string): string | undefined {
  return FORM.exec(text)?.[1];
}

/** What is kept of a key. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Compares in a time that says nothing about where the two differ. */
export function isSameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'hex'), Buffer.from(other, 'hex')];
  return a.length === b.length && timingSafeEqual(a, b);
}
