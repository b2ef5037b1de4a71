import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseColumnType, type ColumnType, type Value } from '../column-type.js';
import { compileExpression } from './compile-expression.js';

const COLUMNS: Readonly<Record<string, string>> = {
  fare: 'Nullable(Float64)',
  stops: 'Nullable(Int32)',
  micros: 'Nullable(Int64)',
  city: 'Nullable(String)',
  paid: 'Nullable(Bool)',
  at: 'DateTime64(3)',
  in: 'Int32',
  wide: 'Nullable(UInt64)',
};
const columns = Object.entries(COLUMNS).map(([name, text]) => ({ name, type: parseColumnType(text) as ColumnType }));

const ROW = {
  fare: 2.5,
  stops: 3,
  micros: 9_007_199_254_740_993n,
  city: 'Zürich',
  paid: 1,
  at: Date.UTC(2001, 2, 25, 1, 30, 15, 250),
  in: 7,
  wide: 5n,
};

function evaluate(text: string, row: Readonly<Record<string, Value>> = {}): unknown {
  const values: Readonly<Record<string, Value>> = { ...ROW, ...row };
  return compileExpression(text, columns).evaluate({ value: (column) => values[columns[column]?.name ?? ''] ?? null });
}

test('a UInt64 that Int64 does not hold is compared as what it is, and is null as a value', () => {
  const wide = 2n ** 64n - 1n;
  for (const text of ['wide', 'coalesce(wide, 0)', 'if(paid, wide, 0)', 'wide - 1', 'greatest(wide, micros)', 'abs(wide)'])
    expect([text, evaluate(text, { wide })]).toEqual([text, null]);
  expect(evaluate('wide > micros', { wide })).toBe(true);
  expect(evaluate('wide', { wide: 2n ** 63n - 1n })).toBe(2n ** 63n - 1n);
});

test('a time that its column cannot hold is null, and so is what is computed from it', () => {
  const [first, last] = [Date.UTC(1900, 0, 1), Date.UTC(2300, 0, 1) - 1];
  expect([evaluate('at', { at: first }), evaluate('at', { at: last })]).toEqual([first, last]);
  expect([evaluate('at - 1', { at: first }), evaluate('at + 1', { at: last })]).toEqual([null, null]);
  expect([evaluate('at', { at: first - 1 }), evaluate('at', { at: last + 1 })]).toEqual([null, null]);
  for (const text of [
    'at + 9007199254740991',
    'year(at + 9007199254740991)',
    'at - 9007199254740991',
    'at + 9000000000000000 - 9000000000000000',
  ])
    expect([text, evaluate(text)]).toEqual([text, null]);
});

function refusal(text: string): string {
  try {
    compileExpression(text, columns);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${text} was taken`);
}

describe('an expression', () => {
  test.each<[string, unknown]>([
    ['1 + 2 * 3 - 4 / 8', 6.5],
    ['(1 + 2) * -3', -9],
    ['-7 % 3', -1],
    ['stops * 2', 6],
    ['micros + 1', 9_007_199_254_740_994n],
    ['micros % 10', 3n],
    ['micros + 0.5', 9_007_199_254_740_992],
    ['9223372036854775807 + 1', null],
    ['-9223372036854775808', -9_223_372_036_854_775_808n],
    ['9007199254740991 + 1', null],
    ['1 / 0', null],
    ['stops % 0', null],
    ['micros % 0', null],
    ['0 * -1', 0],
    ['fare > 2 and stops <> 4 or false', true],
    ['not fare > 2 or stops = 4', false],
    ['micros = 9007199254740993', true],
    ['micros = 9007199254740992', false],
    ['micros > 9007199254740992.0', true],
    ['stops in (1, 3, 5)', true],
    ['micros in (1, 9007199254740993)', true],
    ['micros not in (1, 2.5)', true],
    ['fare in (2.5)', true],
    ["city in ('Zürich', 'Bern')", true],
    ["city = 'Zürich' and city != 'zürich'", true],
    ["city like 'Z%ch'", true],
    ["city like '_ürich' and city not like '_rich'", true],
    ["'100%' like '100\\%'", true],
    ['fare between 2 and 2.5', true],
    ['fare not between 2 and 2.5', false],
    ['micros between 1 and 9007199254740993', true],
    ["at between '2001-03-25' and '2001-03-26 00:00:00'", true],
    ["'2001-03-25' between at and at", false],
    ['stops between 9 / 0 and 9', null],
    ['stops between 9 / 0 and 1', false],
    ['to_float(fare between 2 and 2.5) between 0.5 and 1', true],
    ['paid', true],
    ['paid = false', false],
    ['not paid', false],
    ['"in" + 1', 8],
    ["'it''s' || ' ' || city", "it's Zürich"],
    ["at >= '2001-03-25 01:30:00'", true],
    ["at >= '2001-03-25T03:30:16+02:00'", false],
    ["at in ('2001-03-25T01:30:15.250Z')", true],
    ["at - '2001-03-25 01:30:15'", undefined],
    ['hour(at) * 100 + minute(at)', 130],
    ['day_of_week(at)', 7],
    ['year(at) - month(at)', 1998],
    ['unix_ms(at + 1000 - at)', undefined],
    ['abs(-2.5)', 2.5],
    ['abs(micros - 9007199254740994)', 1n],
    ['round(2.5) + round(-2.5)', 0],
    ['floor(-0.5)', -1],
    ['ceil(fare)', 3],
    ['sqrt(-1)', null],
    ['ln(0)', null],
    ['pow(2, 10)', 1024],
    ['exp(1000)', null],
    ['to_int(-2.9)', -2],
    ["to_float(' 2.5e1 ')", 25],
    ["to_float('2,5')", null],
    ['to_text(stops)', '3'],
    ['length(city)', 6],
    ['lower(upper(city))', 'zürich'],
    ['substring(city, 2, 3) || substring(city, 5)', 'ürich'],
    ["starts_with(city, 'Zü') and ends_with(city, 'ch') and contains(city, 'ri')", true],
    ["if(fare > 2, 'dear', 'cheap')", 'dear'],
    ['if(null, 1, micros)', 9_007_199_254_740_993n],
    ['least(3, 2.5, stops)', 2.5],
    ['greatest(micros, 1)', 9_007_199_254_740_993n],
    ['nullif(stops, 3)', null],
    ['coalesce(nullif(stops, 3), 0)', 0],
  ])('%s', (text, expected) => {
    if (expected === undefined) expect(refusal(text)).toMatch(/at character/);
    else expect(evaluate(text)).toBe(expected);
  });

  test.each<[string, unknown]>([
    ['fare + 1', null],
    ['fare = fare', null],
    ['fare is null', true],
    ['fare is not null', false],
    ['not (fare > 1)', null],
    ['fare > 1 and stops > 5', false],
    ['fare > 1 and stops > 1', null],
    ['fare > 1 or stops > 1', true],
    ['fare > 1 or stops > 5', null],
    ['fare in (1, 2)', null],
    ['fare not in (1, 2)', null],
    ["to_text(fare) || 'x'", null],
    ['least(fare, 1)', null],
    ['coalesce(fare, 1) = 1', true],
    ['if(fare > 1, 1, 2)', 2],
  ])('with a null: %s', (text, expected) => {
    expect(evaluate(text, { fare: null })).toBe(expected);
  });

  test.each<[string, string]>([
    ['', 'the expression is empty, at character 1: ▸'],
    ['fair > 3', 'there is no column fair; did you mean fare?, at character 1: ▸fair > 3'],
    ['city = "Bern"', 'there is no column Bern; text is written in single quotes, at character 8: city = ▸"Bern"'],
    ['fare > ', 'the expression ends where a value was expected, at character 8: fare > ▸'],
    ['fare > 3)', '")" was not expected here, at character 9: fare > 3▸)'],
    ['(fare > 3', 'a ( is never closed, at character 10: (fare > 3▸'],
    ["city = 'Bern", "a ' is never closed, at character 8: city = ▸'Bern"],
    ['fare > city', 'cannot compare a number with text, at character 6: fare ▸> city'],
    ['fare = null', 'nothing is = null; write is null or is not null, at character 8: fare = ▸null'],
    ['city + 1', '+ cannot take text and a whole number; texts are joined by ||, at character 6: city ▸+ 1'],
    ['fare and true', 'a condition is needed here, this is a number, at character 1: ▸fare and true'],
    ['1 < 2 < 3', 'comparisons do not chain; join them with and, at character 7: 1 < 2 ▸< 3'],
    ['sqr(fare)', 'there is no function sqr; did you mean sqrt?, at character 1: ▸sqr(fare)'],
    ['sqrt(city)', 'sqrt takes sqrt(number), here it is given text, at character 1: ▸sqrt(city)'],
    ['fare; drop', '";" is not a part of the language, at character 5: fare▸; drop'],
    ['3fare', 'a number runs into a word, at character 1: ▸3fare'],
    ["at > 'noon'", "\"noon\" is no time, as '2001-01-31 12:00:00' is, at character 6: at > ▸'noon'"],
    ['if(fare > 1, 2)', 'if is written if(condition, then, otherwise), at character 1: ▸if(fare > 1, 2)'],
    ["coalesce(fare, 'x')", "coalesce cannot take text beside a number, at character 16: coalesce(fare, ▸'x')"],
    ['paid > false', 'true and false have no order, at character 6: paid ▸> false'],
    ['constructor(1)', 'there is no function constructor, at character 1: ▸constructor(1)'],
    ['99999999999999999999', 'the whole number is larger than Int64 can hold, at character 1: ▸99999999999999999999'],
  ])('%s is refused', (text, message) => {
    expect(refusal(text)).toBe(message);
  });

  test('neither deep nor long text brings it down', () => {
    expect(refusal('('.repeat(2_000))).toMatch(/nested deeper/);
    expect(refusal('not '.repeat(900) + 'paid')).toMatch(/nested deeper/);
    expect(refusal('- '.repeat(1_900) + 'fare')).toMatch(/nested deeper/);
    expect(refusal('1' + ' + 1'.repeat(2_000))).toMatch(/longer than 4000/);
    expect(refusal(`city like '${'%'.repeat(201)}'`)).toMatch(/at most 200 characters/);
    expect(refusal('1' + '+1'.repeat(1_900))).toMatch(/more than 500 terms/);
    expect(evaluate('paid' + ' and paid'.repeat(400))).toBe(true);
    expect(evaluate(`city like '${'%a'.repeat(100)}'`, { city: 'a'.repeat(20_000) })).toBe(true);
  });

  test('whatever is written is an expression or is refused with a place, and gives what its type says', () => {
    const word = fc.constantFrom(
      ...['fare', 'stops', 'micros', 'city', 'paid', 'at', '1', '2.5', "'x'", 'null', 'true', '(', ')', ',', '+', '-', '*', '/', '%', '||'],
      ...['=', '<', 'and', 'or', 'not', 'is', 'in', 'like', 'between', 'if', 'coalesce', 'abs', 'length', 'hour', 'to_float'],
    );
    const JS: Readonly<Record<string, string>> = {
      int: 'number',
      int64: 'bigint',
      float: 'number',
      text: 'string',
      bool: 'boolean',
      time: 'number',
    };
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(word, { maxLength: 9 }).map((words) => words.join(' ')),
          fc.string(),
        ),
        (text) => {
          let expression;
          try {
            expression = compileExpression(text, columns);
          } catch (error) {
            expect((error as Error).message).toMatch(/at character \d+: .*▸/s);
            return;
          }
          const value = expression.evaluate({ value: (column) => Object.values(ROW)[column] as Value });
          if (value !== null) expect(typeof value).toBe(JS[expression.type]);
          if (typeof value === 'number') expect(Number.isFinite(value) && !Object.is(value, -0)).toBe(true);
          expect(expression.evaluate({ value: () => null })).not.toBe(undefined);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test('tells which columns it reads', () => {
    expect(compileExpression("city = 'x' or fare > stops", columns).columns).toEqual([0, 1, 3]);
    expect(compileExpression('fare / stops', columns).columnType).toBe('Float64');
    expect(compileExpression('null', columns).columnType).toBe(undefined);
  });

  test('a range within a range costs one more, not twice as much', () => {
    let text = 'fare';
    for (let level = 0; level < 50; level++) text = `to_float(${text} between 0 and 1)`;
    const { evaluate } = compileExpression(text, columns);
    expect([0.5, 7].map((fare) => evaluate({ value: () => fare }))).toEqual([1, 1]);
  });
});
