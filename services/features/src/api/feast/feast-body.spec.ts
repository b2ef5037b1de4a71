import { describe, expect, test } from '@jest/globals';
import { FieldReader, parseBody } from './feast-body.js';

const parse = (text: string) => parseBody(Buffer.from(text));

describe('a body', () => {
  test('keeps every digit of a whole number that a double does not hold', () => {
    expect(parse('{"a": [9007199254740993, -9223372036854775808, 5, 1.5], "b": 12345678901234567890}')).toEqual({
      fields: { a: [9007199254740993n, -9223372036854775808n, 5, 1.5], b: 12345678901234567890n },
    });
  });

  test('leaves alone what only looks like one', () => {
    expect(parse('{"a": 0.12345678901234567, "b": "9007199254740993", "c": 1e300}')).toEqual({
      fields: { a: 0.12345678901234567, b: '9007199254740993', c: 1e300 },
    });
  });

  test.each([
    ['', 'missing', ['body']],
    ['{', 'json_invalid', ['body', 1]],
    ['[1]', 'model_attributes_type', ['body']],
    ['null', 'model_attributes_type', ['body']],
  ])('%p is refused as FastAPI does it', (text, type, loc) => {
    expect(parse(text)).toMatchObject({ detail: [{ type, loc }] });
  });
});

describe('fields', () => {
  test('are read as FastAPI reads them, and all that is wrong is said at once', () => {
    const read = new FieldReader({ flag: 'YES', texts: ['a', 1], object: [], columns: { x: [1], y: 2 } });
    expect(read.flag('flag', false)).toBe(true);
    expect(read.flag('absent', true)).toBe(true);
    expect(read.texts('absent', { nullable: false })).toBeUndefined();
    read.texts('texts', { nullable: false });
    read.object('object');
    read.columns('columns');
    read.text('missing');
    expect(read.detail.map(({ type, loc }) => [type, loc.join('.')])).toEqual([
      ['string_type', 'body.texts.1'],
      ['dict_type', 'body.object'],
      ['list_type', 'body.columns.y'],
      ['missing', 'body.missing'],
    ]);
  });
});
