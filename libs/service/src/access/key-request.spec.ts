import { expect, test } from '@jest/globals';
import { parseKeyRequest } from './key-request.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');

function expiryOf(fields: object): string | null {
  const { expiresAt } = parseKeyRequest({ name: 'trainer', role: 'editor', ...fields }, NOW);
  return expiresAt === null ? null : new Date(expiresAt).toISOString();
}

test.each([
  [{}, null],
  [{ expiresIn: '30m' }, '2026-01-01T00:30:00.000Z'],
  [{ expiresIn: '999999d' }, '4763-11-28T00:00:00.000Z'],
  [{ expiresAt: '2027-01-31T00:00:00Z' }, '2027-01-31T00:00:00.000Z'],
  [{ expiresAt: '9999-12-31T23:59:59.999Z' }, '9999-12-31T23:59:59.999Z'],
])('a key with %j', (fields, expiry) => {
  expect(expiryOf(fields)).toBe(expiry);
});

test.each([
  [{ expiresIn: '1000000d' }, 'expiresIn has to be a span such as 30m, 12h or 90d, of 999999 at most'],
  [{ expiresAt: '9999-12-31T23:59:59-01:00' }, 'expiresAt has to be at or before 9999-12-31T23:59:59.999Z; a key without it never ends'],
  [{ expiresAt: '+010000-01-01T00:00:00Z' }, 'expiresAt has to be a time such as 2027-01-31T00:00:00Z'],
  [{ expiresAt: '2027-01-31T00:00:00Z', expiresIn: '90d' }, 'expiresIn and expiresAt exclude each other'],
])('a key with %j is refused', (fields, message) => {
  expect(() => expiryOf(fields)).toThrow(message);
});
