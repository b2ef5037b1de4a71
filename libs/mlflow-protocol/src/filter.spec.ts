import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  isAttribute,
  isOfTag,
  matchesNumber,
  matchesText,
  optionalTextTest,
  parseFilter,
  TEXT_COMPARATORS,
  type FilterClause,
} from './filter.js';

const string = (text: string) => ({ kind: 'string', text });
const number = (text: string) => ({ kind: 'number', text });

describe('parseFilter', () => {
  test.each([
    ['metrics.rmse < 0.5', { entity: 'metrics', key: 'rmse', comparator: '<', value: number('0.5') }],
    ['metrics.a.b >= -1e-3', { entity: 'metrics', key: 'a.b', comparator: '>=', value: number('-1e-3') }],
    ['metrics.x<-1', { entity: 'metrics', key: 'x', comparator: '<', value: number('-1') }],
    ["params.`learning rate` = '0.1'", { entity: 'params', key: 'learning rate', comparator: '=', value: string('0.1') }],
    ['params."a-b" != "c"', { entity: 'params', key: 'a-b', comparator: '!=', value: string('c') }],
    ["tags.mlflow.source.type LIKE '%note%'", { entity: 'tags', key: 'mlflow.source.type', comparator: 'LIKE', value: string('%note%') }],
    ["params.2fold ilike 'X'", { entity: 'params', key: '2fold', comparator: 'ILIKE', value: string('X') }],
    ["params.3 = '1'", { entity: 'params', key: '3', comparator: '=', value: string('1') }],
    ["name = 'it is'", { entity: null, key: 'name', comparator: '=', value: string('it is') }],
    ["run_id IN ('a', 'b')", { entity: null, key: 'run_id', comparator: 'IN', value: { kind: 'list', items: ['a', 'b'] } }],
    [
      "attributes.run_id NOT IN ('a')",
      { entity: 'attributes', key: 'run_id', comparator: 'NOT IN', value: { kind: 'list', items: ['a'] } },
    ],
    ['tags.a IS NULL', { entity: 'tags', key: 'a', comparator: 'IS NULL', value: { kind: 'none' } }],
    ['params.is is Not null', { entity: 'params', key: 'is', comparator: 'IS NOT NULL', value: { kind: 'none' } }],
    ['attributes.start_time > 1700000000000', { entity: 'attributes', key: 'start_time', comparator: '>', value: number('1700000000000') }],
  ])('reads %s', (text, clause) => {
    expect(parseFilter(text)).toEqual([clause]);
  });

  test('joins by AND in any case, and takes an empty filter for none', () => {
    expect(parseFilter("metrics.a > 1 AND params.b = 'and' and tags.c = 'x'").map((clause) => clause.key)).toEqual(['a', 'b', 'c']);
    expect(parseFilter('  ')).toEqual([]);
  });

  test.each([
    'metrics.a > 1 OR metrics.b > 2',
    '(metrics.a > 1)',
    'metrics.a > 1 AND',
    'metrics.a >',
    'metrics.a',
    'params.a = b',
    "params.a = 'b",
    'run_id IN ()',
    "run_id IN 'a'",
    "run_id = ('a')",
    'run_id IN (1)',
    'metrics.a > 1 metrics.b > 2',
    "'a' = 'b'",
    'metrics.a ? 1',
    'tags.a IS',
    'tags.a IS NOT',
    'tags.a NOT NULL',
    "tags.a IS 'x'",
    "tags.a IS NULL 'x'",
    Array.from({ length: 101 }, () => 'metrics.a > 1').join(' AND '),
  ])('refuses %s', (text) => {
    expect(() => parseFilter(text)).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER_VALUE' }));
  });

  test('reads back any key and text it can quote', () => {
    const key = fc.string({ minLength: 1 }).filter((text) => !text.includes('`'));
    const value = fc.string().filter((text) => !text.includes("'"));
    fc.assert(
      fc.property(key, value, (name, text) => {
        expect(parseFilter(`params.\`${name}\` = '${text}'`)).toEqual([
          { entity: 'params', key: name, comparator: '=', value: { kind: 'string', text } },
        ]);
      }),
    );
  });

  test('answers any text with clauses or with a refusal', () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom(' AND ', '=', "'", '`', 'metrics.', '(', 'IN', 'NOT', ' IS NULL', '1', '.'));
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        try {
          parseFilter(pieces.join(''));
        } catch (error) {
          expect(error).toMatchObject({ name: 'MlflowError' });
        }
      }),
    );
  });
});

describe('matching in process', () => {
  test('LIKE minds the case, ILIKE does not, and pattern characters of regular expressions are plain', () => {
    expect(matchesText('Model.v1', 'LIKE', { kind: 'string', text: 'Model.%' })).toBe(true);
    expect(matchesText('ModelXv1', 'LIKE', { kind: 'string', text: 'Model.%' })).toBe(false);
    expect(matchesText('model', 'LIKE', { kind: 'string', text: 'M%' })).toBe(false);
    expect(matchesText('model', 'ILIKE', { kind: 'string', text: 'M____' })).toBe(true);
    expect(matchesText('xmodel', 'LIKE', { kind: 'string', text: 'm%' })).toBe(false);
  });

  test('RLIKE is known only where regular expressions are', () => {
    const [clause] = parseFilter("tags.topic rlike '^f'", { knowsPatterns: true });
    expect(clause).toEqual({ entity: 'tags', key: 'topic', comparator: 'RLIKE', value: { kind: 'string', text: '^f' } });
    expect(() => parseFilter("tags.topic RLIKE '^f'")).toThrow(/^Invalid clause/);
  });

  const tagTest = (filter: string) => optionalTextTest(parseFilter(filter)[0] as FilterClause, TEXT_COMPARATORS);

  test('a tag is compared with a text, as its search takes it', () => {
    expect(tagTest("tags.a LIKE 'x%'")('xy')).toBe(true);
    expect(() => tagTest("tags.a IN ('x')")).toThrow("Invalid comparator 'IN' for tags.a. Expected one of =, !=, LIKE, ILIKE.");
    expect(() => tagTest("tag.a < 'x'")).toThrow("Invalid comparator '<' for tag.a.");
    expect(() => tagTest('tags.a = 1')).toThrow("Expected a quoted string value for tags.a (e.g. 'my-value').");
  });

  test('a key is of a tag, of what is searched, or of neither', () => {
    const entities = ["tags.a = 'x'", "tag.a = 'x'", "a = 'x'", "attributes.a = 'x'", "params.a = 'x'"].flatMap((filter) =>
      parseFilter(filter),
    );
    expect(entities.map(isOfTag)).toEqual([true, true, false, false, false]);
    expect(entities.map(({ entity }) => isAttribute(entity))).toEqual([false, false, true, true, false]);
  });

  test('what is missing is null and meets nothing else', () => {
    const asks = (actual: string | undefined) => [
      tagTest('tags.a IS NULL')(actual),
      tagTest('tags.a IS NOT NULL')(actual),
      tagTest("tags.a != 'x'")(actual),
    ];
    expect([asks(undefined), asks('')]).toEqual([
      [true, false, false],
      [false, true, true],
    ]);
  });

  test('lists and numbers', () => {
    expect(matchesText('a', 'IN', { kind: 'list', items: ['a'] })).toBe(true);
    expect(matchesText('a', 'NOT IN', { kind: 'list', items: ['a'] })).toBe(false);
    expect((['=', '!=', '<', '<=', '>', '>='] as const).map((comparator) => matchesNumber(1, comparator, 2))).toEqual([
      false,
      true,
      true,
      true,
      false,
      false,
    ]);
  });
});
