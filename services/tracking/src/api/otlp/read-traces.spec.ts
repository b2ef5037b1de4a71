import { expect, test } from '@jest/globals';
import { spansOfJson } from './read-traces.js';

const bodyOf = (levels: number): Buffer => {
  const value = '{"arrayValue":{"values":['.repeat(levels) + '{"intValue":"1"}' + ']}}'.repeat(levels);
  const ids = `"traceId":"${'0'.repeat(32)}","spanId":"${'1'.repeat(16)}"`;
  return Buffer.from(`{"resourceSpans":[{"scopeSpans":[{"spans":[{${ids},"attributes":[{"key":"k","value":${value}}]}]}]}]}`);
};

test('values of a span nest as deep as in protobuf, and no deeper', () => {
  expect(spansOfJson(bodyOf(50))).toHaveLength(1);
  for (const levels of [70, 5_000]) expect(() => spansOfJson(bodyOf(levels))).toThrow('an attribute nests deeper than 50');
});
