import { expect, test } from '@jest/globals';
import { compileSource, readSourceEvent } from '@millrace/feature-engine';
import { compileExpectations } from './expectations.js';
import { rejectionKind } from './rejection-kind.js';

const schema = { at: 'DateTime64(3)', city: 'String', fare: 'Nullable(Float64)', stops: 'Int64', late: 'Bool' };
const plan = compileSource({ name: 's', topic: 's', eventTime: 'at', schema });

test('values are as expected, or it is told which is not and why', () => {
  const [fare, known, city, stops, late] = compileExpectations(plan, [
    { column: 'fare', min: 0, max: 500 },
    { column: 'fare', notNull: true, action: 'warn' },
    { column: 'city', oneOf: ['Bern', 'Basel'] },
    { column: 'stops', min: 1, oneOf: [2, '9007199254740993'] },
    { column: 'late', oneOf: [false] },
  ]);
  const event = (fields: object) => {
    const read = readSourceEvent(plan, { at: '2026-01-01', city: 'Bern', fare: 1, stops: 2, late: false, ...fields }, 0, 0);
    if (!read.ok) throw new Error(read.reason);
    return read.value;
  };
  for (const one of [fare, known, city, stops, late]) expect(one?.problem(event({}))).toBeUndefined();
  expect([fare?.action, known?.action]).toEqual(['reject', 'warn']);
  expect(fare?.problem(event({ fare: -1 }))).toBe('field fare is -1; at least 0 is expected');
  expect(fare?.problem(event({ fare: 500.5 }))).toBe('field fare is 500.5; at most 500 is expected');
  expect(fare?.problem(event({ fare: null }))).toBeUndefined();
  expect(known?.problem(event({ fare: null }))).toBe('field fare is null; a value is expected');
  expect(city?.problem(event({ city: 'Chur' }))).toBe('field city is "Chur"; that is none of the expected values');
  expect(stops?.problem(event({ stops: '9007199254740993' }))).toBeUndefined();
  expect(stops?.problem(event({ stops: 3 }))).toBe('field stops is "3"; that is none of the expected values');
  expect(stops?.problem(event({ stops: 0 }))).toBe('field stops is 0; at least 1 is expected');
  expect(late?.problem(event({ late: true }))).toContain('none of the expected values');
  expect(rejectionKind(city?.problem(event({ city: 'a; it must be X' })) ?? '')).toBe('city is not as expected');
});
