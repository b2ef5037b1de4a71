import { expect, test } from '@jest/globals';
import type { ExperimentDefinition } from '../domain/deployment/definitions.js';
import { unitNameOf, unitsOf } from './units.js';

const by = (unit: string | undefined): ExperimentDefinition => ({ name: 'e', salt: 'e', traffic: 1, unit, variants: [] });
const inputs = [
  { name: 'city', datatype: 'BYTES' as const, shape: [2], data: ['Bern', 'Basel'] },
  { name: 'id', datatype: 'INT64' as const, shape: [2, 1], data: BigInt64Array.of(7n, 2n ** 60n) },
  { name: 'x', datatype: 'FP32' as const, shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
  { name: 'age', datatype: 'FP32' as const, shape: [2], data: Float32Array.of(41, NaN) },
];

test('units are the values of an input that has one a row', () => {
  const units = (name: string | undefined, parameters = {}): unknown => unitsOf(by(name), undefined, { parameters, inputs }, 2);
  expect([units('city'), units('id'), units('age')]).toEqual([
    ['Bern', 'Basel'],
    ['7', '1152921504606846976'],
    ['41', null],
  ]);
  // Two values a row, no input of that name, no name.
  for (const name of ['x', 'town', undefined]) expect(units(name)).toEqual([null, null]);
  expect(units('city', { unit: 'u' })).toEqual(['u', 'u']);
  expect(unitNameOf(by('city'), undefined, { parameters: {}, inputs })).toBe('city');
});

test('units of entity rows are join keys or request features, the first join key when nothing says which', () => {
  const entityRows = { entities: [{ user: 'a', shop: 1 }], requests: [{ city: 'Bern' }], at: 0 };
  const units = (name: string | undefined): unknown => unitsOf(by(name), entityRows, { parameters: {}, inputs: [] }, 1);
  expect([units(undefined), units('shop'), units('city')]).toEqual([['a'], ['1'], ['Bern']]);
});
