import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { narrowings } from './compatibility.mjs';
import { root } from './schemas.mjs';

const closed = (properties: object, required: string[] = Object.keys(properties)): object => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const TEXT = { type: 'string' };

describe('narrowings', () => {
  test.each([
    ['the same', closed({ a: TEXT }), closed({ a: { ...TEXT, description: 'now with words' } })],
    ['a new optional property', closed({ a: TEXT }), closed({ a: TEXT, b: TEXT }, ['a'])],
    ['a property that may be missing', closed({ a: TEXT }), closed({ a: TEXT }, [])],
    ['null beside', closed({ a: TEXT }), closed({ a: { type: ['string', 'null'] } })],
    ['any number', closed({ a: { type: 'integer' } }), closed({ a: { type: 'number' } })],
    ['one more word', { enum: ['a', 'b'] }, { enum: ['a', 'b', 'c'] }],
    ['a wider bound', { type: 'number', minimum: 1 }, { type: 'number', minimum: 0 }],
    ['a form no longer asked for', { type: 'string', pattern: '^a' }, TEXT],
    ['a choice', TEXT, { anyOf: [{ type: 'number' }, TEXT] }],
    ['a choice with more', { anyOf: [TEXT, { type: 'null' }] }, { anyOf: [{ type: 'null' }, { type: 'number' }, TEXT] }],
    ['anything', closed({ a: TEXT }), {}],
    ['a map of anything', { type: 'object', additionalProperties: TEXT }, { type: 'object' }],
    ['a reference', TEXT, { $ref: '#/definitions/text', definitions: { text: TEXT } }],
  ])('takes %s', (_name, older, newer) => {
    expect(narrowings(older, newer)).toEqual([]);
  });

  test.each([
    ['a new required property', closed({ a: TEXT }), closed({ a: TEXT, b: TEXT }), '/b is required now'],
    ['a removed property', closed({ a: TEXT, b: TEXT }), closed({ a: TEXT }), '/b is no longer allowed'],
    ['another type', closed({ a: TEXT }), closed({ a: { type: 'integer' } }), '/a: string is no longer taken'],
    ['integers only', { type: 'number' }, { type: 'integer' }, '/: number is no longer taken'],
    ['a removed word', { enum: ['a', 'b'] }, { enum: ['a'] }, '/: "b" is no longer taken'],
    ['words only', TEXT, { type: 'string', enum: ['a'] }, '/: only ["a"] is taken now'],
    ['a form', TEXT, { type: 'string', pattern: '^a' }, '/: pattern has changed or is new'],
    ['a bound', { type: 'array' }, { type: 'array', maxItems: 3 }, '/: maxItems is narrower'],
    ['other items', { type: 'array', items: TEXT }, { type: 'array', items: { type: 'number' } }, '[]: string is no longer taken'],
    [
      'a closed map',
      { type: 'object', additionalProperties: TEXT },
      { type: 'object', additionalProperties: false },
      '/* is no longer allowed',
    ],
    [
      'a typed property where anything could stand',
      { type: 'object', properties: {} },
      { type: 'object', properties: { a: TEXT } },
      '/a: null is no longer taken',
    ],
    ['one choice less', { anyOf: [TEXT, { type: 'null' }] }, TEXT, '/: null is no longer taken'],
    ['a condition nobody can compare', TEXT, { type: 'string', not: { const: 'a' } }, '/: not cannot be compared'],
  ])('finds %s', (_name, older, newer, problem) => {
    expect(narrowings(older, newer)).toContain(problem);
  });

  test('is right: what passes the older passes the newer whenever nothing was found', () => {
    const leaf = fc.constantFrom<object>(
      TEXT,
      { type: 'integer' },
      { type: 'number', minimum: 0 },
      { type: ['string', 'null'] },
      { enum: ['a', 1, null] },
      { type: 'string', maxLength: 1 },
      { anyOf: [TEXT, { type: 'boolean' }] },
      {},
    );
    const object = fc
      .record({ a: leaf, b: leaf, required: fc.subarray(['a', 'b']), rest: fc.oneof(fc.constant(false), leaf) })
      .map(({ a, b, required, rest }) => ({ type: 'object', properties: { a, b }, required, additionalProperties: rest }));
    const schema = fc.oneof(
      leaf,
      object,
      leaf.map((items) => ({ type: 'array', items })),
    );
    const value = fc.oneof(
      fc.constantFrom<unknown>('a', 'bb', 1, -1, 0.5, null, true, [], ['a'], [1], {}),
      fc.record(
        { a: fc.constantFrom<unknown>('a', 'bb', 1, -1, null, true), b: fc.constantFrom<unknown>('a', 1, null), c: fc.constant('x') },
        { requiredKeys: [] },
      ),
    );
    const ajv = new Ajv({ strict: false });
    fc.assert(
      fc.property(schema, schema, fc.array(value, { maxLength: 12 }), (older, newer, values) => {
        if (narrowings(older, newer).length > 0) return;
        const [before, now] = [ajv.compile(older), ajv.compile(newer)];
        for (const one of values) if (before(one)) expect({ older, newer, one, taken: now(one) }).toMatchObject({ taken: true });
      }),
      { numRuns: 300 },
    );
  });
});

describe('check-compatibility', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-schemas-'));
    put('ParcelSent', 1, closed({ street: TEXT }), [{ street: 'Mill Lane' }]);
    expect(run('release.mjs', '1.0.0', folder)).toMatchObject({ status: 0 });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function put(type: string, version: number, schema: object, golden: unknown[]): void {
    const at = join(folder, 'parcels', type);
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, `v${version}.json`), JSON.stringify({ title: type, description: 'A parcel.', ...schema }));
    writeFileSync(join(at, `v${version}.golden.jsonl`), golden.map((sample) => `${JSON.stringify(sample)}\n`).join(''));
  }
  function run(tool: string, ...args: string[]): { status: number | null; errors: string } {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'tools', 'contracts', tool), ...args], { encoding: 'utf8' });
    return { status, errors: stderr };
  }
  const check = (): ReturnType<typeof run> => run('check-compatibility.mjs', folder);

  test('passes what only widens, and what is not released yet', () => {
    put('ParcelSent', 1, closed({ street: TEXT, town: TEXT }, ['street']), [{ street: 'Mill Lane' }, { street: 'Weir', town: 'Bath' }]);
    put('ParcelLost', 1, closed({}), [{}]);
    put('ParcelSent', 2, closed({ address: TEXT }), [{ address: 'Weir' }]);
    expect(check()).toEqual({ status: 0, errors: '' });
    put('ParcelLost', 1, closed({ by: TEXT }), [{ by: 'a fox' }]);
    expect(check()).toEqual({ status: 0, errors: '' });
  });

  test('catches a narrowed schema, and the next release refuses it too', () => {
    put('ParcelSent', 1, closed({ street: TEXT, town: TEXT }), [{ street: 'Mill Lane' }]);
    expect(check()).toMatchObject({ status: 1, errors: expect.stringContaining('parcels.ParcelSent.v1 /town is required now') });
    expect(run('release.mjs', '1.1.0', folder).status).toBe(1);
    expect(readFileSync(join(folder, 'released', 'manifest.json'), 'utf8')).toContain('1.0.0');
  });

  test('catches a removed version and a lost sample', () => {
    put('ParcelSent', 1, closed({ street: TEXT }), [{ street: 'elsewhere' }]);
    expect(check().errors).toContain('1 released samples are gone');
    rmSync(join(folder, 'parcels'), { recursive: true });
    expect(check().errors).toContain('parcels.ParcelSent.v1 was released and is gone');
  });
});

test('the schemas of this build are compatible with the last release', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'tools', 'contracts', 'check-compatibility.mjs')], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
