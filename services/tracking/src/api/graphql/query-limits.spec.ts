import { describe, expect, test } from '@jest/globals';
import { excessOf, parseQuery } from './query-limits.js';

const excess = (query: string) => excessOf(parseQuery(query));
const many = (count: number, field: (index: number) => string) => Array.from({ length: count }, (_, index) => field(index)).join(' ');

describe('what a query may ask for', () => {
  test('ten of everything pass', () => {
    expect(excess(`{ ${many(10, (index) => `a${index}: test { output }`)} }`)).toBeUndefined();
    expect(excess('query Q @component(name: "x") { mlflowGetRun(input: {runId: "r"}) { run { info { status } } } }')).toBeUndefined();
  });

  test.each([
    ['root fields', `{ ${many(11, (index) => `f${index}`)} }`, /at most 10 root fields, got 11/],
    ['root fields of two operations', `query A { ${many(6, (i) => `f${i}`)} } query B { ${many(6, (i) => `f${i}`)} }`, /10 root fields/],
    ['aliases', `{ a { ${many(11, (index) => `x${index}: name`)} } }`, /at most 10 aliases, got 11/],
    ['depth', `${'{ a '.repeat(11)}${'}'.repeat(11)}`, /maximum depth of 10/],
    ['selections', `{ a { ${many(1001, (index) => `f${index}`)} } }`, /maximum total selections of 1000/],
    ['what a fragment hides', `{ ...F } fragment F on Query { ${many(11, (index) => `f${index}`)} }`, /10 root fields/],
    ['what fragments hide in one another', `{ a { ...F ...F ...F } } fragment F on A { ${many(400, (i) => `f${i}`)} }`, /selections/],
    ['a fragment within itself', '{ ...F } fragment F on Query { ...F }', /selections/],
    ['a fragment below itself', '{ ...F } fragment F on Query { a { ...F } }', /depth/],
  ])('%s', (_what, query, message) => {
    expect(excess(query)).toMatch(message);
  });

  test('a depth at which the parser itself ends', () => {
    expect(() => parseQuery('{a'.repeat(9_000))).toThrow('Query exceeds maximum depth of 10');
  });
});
