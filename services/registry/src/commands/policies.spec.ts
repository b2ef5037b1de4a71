import { expect, test } from '@jest/globals';
import { ruleOf } from './policies.js';

const DAY = 86_400_000;

test.each([
  [undefined, 7 * DAY],
  ['90m', 90 * 60_000],
  ['999999d', 999_999 * DAY],
  // Of a policy that was applied before there was a bound.
  ['999999999d', 999_999 * DAY],
])('a request waits %s', (expiresAfter, lifetimeMs) => {
  const spec = { aliases: ['champion'], ...(expiresAfter === undefined ? {} : { expiresAfter }) };
  expect(ruleOf('delay', 'champions', 1, spec)).toMatchObject({ lifetimeMs });
});
