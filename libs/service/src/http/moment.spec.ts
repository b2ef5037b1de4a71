import { expect, test } from '@jest/globals';
import { momentText } from './moment.js';

test.each([
  [0, '1970-01-01T00:00:00.000Z'],
  [253_402_300_799_999, '9999-12-31T23:59:59.999Z'],
  [253_402_300_800_000, null],
  [Number.MAX_SAFE_INTEGER, null],
  [Number.MIN_SAFE_INTEGER, null],
  [null, null],
])('%d is %s', (milliseconds, text) => {
  expect(momentText(milliseconds)).toBe(text);
});
