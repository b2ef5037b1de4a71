import { expect, test } from '@jest/globals';
import { parseLabel } from './parse-label.js';

test('a label names its prediction by id, or by unit and time', () => {
  const common = { deployment: 'd', name: 'label', row: 0, value: true, time: 7 };
  expect(parseLabel('d', { predictionId: 'p', value: true }, 7)).toEqual({
    ok: true,
    id: undefined,
    label: { ...common, predictionId: 'p', unit: null, predictedAt: null },
  });
  expect(parseLabel('d', { unit: 'u', predictedAt: '1970-01-01T00:00:00.005Z', value: true, id: 'mine' }, 7)).toEqual({
    ok: true,
    id: 'mine',
    label: { ...common, predictionId: null, unit: 'u', predictedAt: 5 },
  });
});

test('a field that is written otherwise is named, not passed over', () => {
  expect(parseLabel('d', { prediction_id: 'p', value: 1 }, 7)).toEqual({
    ok: false,
    reason: 'there is no field "prediction_id"; the fields are predictionId, row, unit, predictedAt, name, value, time, id',
  });
});

test('a label of a wrong clock, which none could correct, is refused', () => {
  const day = 24 * 3_600_000;
  expect(parseLabel('d', { predictionId: 'p', value: 1, time: day }, 0).ok).toBe(true);
  expect(parseLabel('d', { predictionId: 'p', value: 1, time: '2099-01-01T00:00:00Z' }, 0)).toEqual({
    ok: false,
    reason: expect.stringMatching(/^time is 2099-01-01T00:00:00.000Z, in the future; it is when the value was known/),
  });
  expect(parseLabel('d', { predictionId: 'p', value: 1, time: Number.MAX_SAFE_INTEGER }, 0).ok).toBe(false);
});
