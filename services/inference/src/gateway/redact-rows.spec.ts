import { expect, test } from '@jest/globals';
import type { PredictedRow, PredictionMade } from '../domain/prediction/prediction.js';
import { featureNames, keepsInputs, redactRecord, redactRows } from './redact-rows.js';
import { unitsSaid, unitsTaken } from './units.js';

const byEntity: PredictedRow = {
  row: 0,
  unit: 'u-7',
  entity: { user: 'u-7', country: 'CH' },
  request: { amount: 12.5, iban: 'CH93' },
  features: { user__income: 90_000, user__age: 41 },
  statuses: { user__income: 'NOT_FOUND' },
  inputs: null,
  outputs: { score: 0.25, label: 1 },
};
const byTensor: PredictedRow = { ...byEntity, entity: null, request: null, features: null, statuses: null, inputs: { x: [1, 2, 3] } };
const rules = (redact: string[], columns?: string[] | null, units = unitsTaken('user')) => ({
  redact: new Set(redact),
  redactFeatures: featureNames(redact),
  columns,
  units,
});

test('names are left out wherever they stand, and nothing else', () => {
  expect(redactRows([byEntity], rules(['iban', 'user__income', 'score', 'nothing']))).toEqual([
    { ...byEntity, request: { amount: 12.5 }, features: { user__age: 41 }, statuses: {}, outputs: { label: 1 } },
  ]);
});

test('a feature is left out by its view and name too, however the record and the model name it', () => {
  const bare: PredictedRow = { ...byEntity, features: { income: 90_000, age: 41 }, statuses: { income: 'NOT_FOUND' } };
  for (const name of ['user__income', 'user:income', 'income'])
    expect(redactRows([bare], rules([name]))).toEqual([{ ...bare, features: { age: 41 }, statuses: {} }]);
  expect(redactRows([byEntity], rules(['user:income']))[0]?.features).toEqual({ user__age: 41 });
  // Another's input or output of that name is not the feature.
  const named: PredictedRow = { ...byEntity, request: { income: 1 }, outputs: { income: 2 } };
  expect(redactRows([named], rules(['user__income']))[0]).toMatchObject({ request: { income: 1 }, outputs: { income: 2 } });
  for (const columns of [
    ['income', 'b', 'c'],
    ['user__income', 'b', 'c'],
  ])
    expect(redactRows([byTensor], rules(['user:income'], columns))[0]?.inputs).toEqual({ x: [null, 2, 3] });
});

test('a unit goes with the key it is taken from', () => {
  expect(redactRows([byEntity], rules(['user']))).toEqual([{ ...byEntity, unit: null, entity: { country: 'CH' } }]);
  expect(redactRows([byEntity], rules(['country']))).toEqual([{ ...byEntity, entity: { user: 'u-7' } }]);
  expect(redactRows([byEntity], rules(['unit']))).toEqual([{ ...byEntity, unit: null }]);
});

test('a unit that was said goes with every name it may be of, and with every value that goes', () => {
  const parse = (value: unknown) => value as string;
  const shape = { joinKeys: ['till', 'customer'].map((name) => ({ name, type: 'String', parse })), requestFeatures: [] };
  const row: PredictedRow = { ...byTensor, unit: 'C1', inputs: null, features: { customer: 'C1', shop: 'S1', x: 2 } };
  const unitWith = (redact: string[], units = unitsSaid('shop', 'service', shape), of = row, columns?: string[] | null): unknown =>
    redactRows([of], rules(redact, columns, units))[0]?.unit;
  // The experiment's unit, and any join key.
  for (const name of ['shop', 'till', 'customer', 'unit', '*']) expect([name, unitWith([name])]).toEqual([name, null]);
  expect(unitWith(['x'])).toBe('C1');
  // The service is not known here: any name may be a join key of it.
  expect(unitWith(['x'], unitsSaid(undefined, 'service', undefined))).toBeNull();
  // Nothing says whom the deployment is about, but the row does.
  const nobody = unitsSaid(undefined, undefined, undefined);
  expect(unitWith(['customer'], nobody)).toBeNull();
  expect(unitWith(['shop'], nobody)).toBe('C1');
  const seven = { ...row, unit: '7', features: null };
  expect(unitWith(['customer'], nobody, { ...seven, request: { customer: 7 } })).toBeNull();
  expect(unitWith(['customer'], nobody, { ...seven, inputs: { customer: [[7]] } })).toBeNull();
  expect(unitWith(['b'], nobody, { ...seven, inputs: { x: [1, 7] } }, ['a', 'b'])).toBeNull();
  expect(unitWith(['a'], nobody, { ...seven, inputs: { x: [1, 7] } }, ['a', 'b'])).toBe('7');
  expect(unitWith(['a'], nobody, { ...seven, inputs: { x: [1, 7] } }, null)).toBeNull();
  // What was sent was too large for the record, so nobody can tell.
  expect(unitWith(['a'], nobody, { ...seven, inputs: null })).toBeNull();
});

test('of a row that stands with the first the unit is looked for there', () => {
  const rows = [
    { ...byTensor, unit: 'u', inputs: { x: [1, 2, 3, 4, 5, 6] } },
    { ...byTensor, row: 1, unit: '6', inputs: null },
  ];
  const redacted = redactRows(rows, rules(['c'], ['a', 'b', 'c'], unitsSaid(undefined, undefined, undefined)));
  expect(redacted.map(({ unit }) => unit)).toEqual(['u', null]);
});

test('a column of the tensor is null in its place, in every row of it', () => {
  expect(redactRows([byTensor], rules(['b'], ['a', 'b', 'c']))[0]?.inputs).toEqual({ x: [1, null, 3] });
  const whole = { ...byTensor, inputs: { x: [1, 2, 3, 4, 5, 6] } };
  expect(redactRows([whole], rules(['b'], ['a', 'b', 'c']))[0]?.inputs).toEqual({ x: [1, null, 3, 4, null, 6] });
  // Where nobody can tell which column is which, no tensor is kept.
  expect(redactRows([byTensor], rules(['b'], null))[0]?.inputs).toBeNull();
  // What is not rows of the columns is not understood, and so not kept.
  expect(redactRows([{ ...byTensor, inputs: { x: [1, 2] } }], rules(['b'], ['a', 'b', 'c']))[0]?.inputs).toEqual({ x: null });
});

test('everything is every input and feature; the answer stays', () => {
  expect(redactRows([byEntity], rules(['*']))).toEqual([{ ...byEntity, unit: null, entity: {}, request: {}, features: {}, statuses: {} }]);
  expect(redactRows([byTensor], rules(['*']))[0]?.inputs).toEqual({});
});

test.each([
  ['MR_INFERENCE_INVALID', 'feature "iban" is "CH93"'],
  ['MR_INFERENCE_FAILED', 'indices element out of data bounds, idx=4242'],
  ['MR_INFERENCE_UNSERVABLE', 'the candidate does not take what the primary does: "CH93" is not a value of FP32'],
])('the text of %s is left out: it may quote what was sent', (code, message) => {
  const record = { rows: [byEntity], error: { code, message } } as unknown as PredictionMade;
  const of = { columns: undefined, units: unitsTaken('user') };
  expect(redactRecord(record, { sample: 1, ...rules(['iban']) }, of)).toMatchObject({
    rows: [{ request: { amount: 12.5 } }],
    error: { code, message: 'not recorded: it may quote what was sent' },
  });
  expect(redactRecord(record, { sample: 1, ...rules([]) }, of)).toBe(record);
  const late = { ...record, error: { code: 'MR_INFERENCE_DEADLINE', message: 'the deadline passed' } };
  expect(redactRecord(late, { sample: 1, ...rules(['iban']) }, of).error?.message).toBe('the deadline passed');
});

test('columns matter only where an input is kept', () => {
  expect(keepsInputs(byTensor, new Set(['b']))).toBe(true);
  for (const redact of [['x'], ['*']]) expect(keepsInputs(byTensor, new Set(redact))).toBe(false);
  expect(keepsInputs(byEntity, new Set(['b']))).toBe(false);
});
