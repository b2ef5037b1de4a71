import { describe, expect, test } from '@jest/globals';
import { fieldsOf } from './schema-fields.mjs';

const rows = (schema: object): string[] =>
  fieldsOf({ type: 'object', ...schema }).map(({ path, type, isRequired, fallback, meaning }) =>
    [path, type, isRequired ? 'yes' : 'no', fallback === undefined ? '-' : JSON.stringify(fallback), meaning].join(' | '),
  );

/** The one row of an object with the one field `a`. */
const row = (field: object | boolean): string => rows({ properties: { a: field } }).join('\n');

describe('the fields of a schema', () => {
  test('are in its order, with what each means', () => {
    const properties = { b: { type: 'string', description: 'Second letter.' }, a: { type: 'integer', default: 4 } };
    expect(rows({ properties, required: ['b'] })).toEqual(['b | string | yes | - | Second letter.', 'a | integer | no | 4 | ']);
  });

  test.each([
    [{ type: ['string', 'null'] }, 'string or null', ''],
    [{ type: ['number', 'boolean', 'string'] }, 'number, boolean or string', ''],
    [{ type: 'array', items: { type: 'integer' } }, 'list of integer', ''],
    [{ type: 'object', additionalProperties: { type: ['string', 'number'] } }, 'map of (string or number)', ''],
    [{ type: ['object', 'null'], additionalProperties: {} }, 'map of anything or null', ''],
    [{}, 'anything', ''],
    [true, 'anything', ''],
    [{ enum: ['a', 1, null] }, 'string, integer or null', 'One of `a`, `1`.'],
    [{ type: 'string', const: 'x' }, 'string', 'Always `x`.'],
    [{ type: 'string', enum: ['a', 'b'], description: '`a`: first. `b`: second.' }, 'string', '`a`: first. `b`: second.'],
    [{ type: 'string', minLength: 1 }, 'string', 'Not empty.'],
    [{ type: 'string', maxLength: 9, pattern: '^a|b$' }, 'string', 'Has at most 9 characters. Matches `^a|b$`.'],
    [{ type: 'number', minimum: 0, maximum: 1 }, 'number', '0 to 1.'],
    [{ type: 'number', exclusiveMinimum: 0 }, 'number', 'More than 0.'],
    [{ type: 'integer', minimum: -1 }, 'integer', 'At least -1.'],
    [{ type: 'array', minItems: 1, maxItems: 3, uniqueItems: true }, 'list of anything', 'Has 1 to 3 entries. Has no entry twice.'],
    [{ type: 'array', items: { enum: ['x', 'y'] } }, 'list of string', 'Each is one of `x`, `y`.'],
    [
      { type: 'object', propertyNames: { pattern: '^k' }, additionalProperties: { type: 'string', format: 'uri' }, minProperties: 2 },
      'map of string',
      'Has at least 2 entries. Each name matches `^k`. Each has the format `uri`.',
    ],
    [
      {
        oneOf: [
          { type: 'string', pattern: '^s' },
          { type: 'array', items: { type: 'string' }, minItems: 2 },
        ],
      },
      'string or list of string',
      'Matches `^s` when it is a string. Has at least 2 entries when it is a list.',
    ],
  ])('%j is told in words', (field, type, meaning) => {
    expect(row(field)).toBe(`a | ${type} | no | - | ${meaning}`);
  });

  test('of fields follow them: those of a list, of a map, of a choice, of a reference', () => {
    const point = { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] };
    expect(rows({ properties: { list: { type: 'array', items: point } } })[1]).toBe('list[].x | number | yes | - | ');
    expect(rows({ properties: { map: { type: 'object', additionalProperties: point } } })[1]).toBe('map.*.x | number | yes | - | ');
    expect(rows({ properties: { one: { anyOf: [{ type: 'null' }, point] } } })[1]).toBe('one.x | number | yes | - | ');
    const schema = { properties: { at: { $ref: '#/definitions/point' } }, definitions: { point } };
    expect(rows(schema)).toEqual(['at | object | no | - | ', 'at.x | number | yes | - | ']);
  });

  test('cannot be those of another file', () => {
    expect(() => row({ $ref: 'elsewhere.json' })).toThrow('cannot follow $ref elsewhere.json');
  });
});
