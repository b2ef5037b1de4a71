import { expect, test } from '@jest/globals';
import { Status, type Value } from '@millrace/feature-engine';
import { writeFeastResponse } from './online-features-response.js';

const at = (text: string): number => Date.parse(text);

test('the text is the JSON of the columns, whatever their types, statuses and times', () => {
  const column = (name: string, type: string, values: Value[], statuses: Status[], times: number[]) => ({
    ...{ view: 'v', name, type, values, statuses, times },
  });
  const { PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE } = Status;
  const shared = [PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE];
  const times = [at('2026-02-28T23:59:59.007Z'), 0, at('1969-12-31T23:59:59.900Z')];
  const answer = {
    rows: 3,
    request: [],
    joinKeys: [{ name: 'id', type: 'Int64', values: [9007199254740993n, 2n, -3n] }],
    vectors: {
      columns: [
        column('a', 'Float64', [1, null, -0.1], shared, times),
        column('b', 'String', ['"\n', null, 'Zürich'], shared, times),
        column('c', 'Bool', [1, 0, null], [PRESENT, PRESENT, NULL_VALUE], times),
        column('d', 'DateTime64(3)', [1500, null, 0], shared, [at('2026-03-01T00:00:00Z'), 0, at('2026-03-01T10:09:08.07Z')]),
      ],
      positions: { v: { 0: 7 } },
    },
  };
  const none = '1970-01-01T00:00:00Z';
  const stamps = ['2026-02-28T23:59:59.007Z', none, '1969-12-31T23:59:59.900Z'];
  const names = ['PRESENT', 'NOT_FOUND', 'OUTSIDE_MAX_AGE'];
  const written = writeFeastResponse(['a', 'b', 'c', 'd'], answer, false);
  expect(written).toContain('"values":[9007199254740993,2,-3]');
  expect(written).toContain('"values":[1.0,null,-0.1]');
  expect(JSON.parse(written)).toEqual({
    results: [
      { values: [Number(9007199254740993n), 2, -3], statuses: Array(3).fill('PRESENT'), event_timestamps: Array(3).fill(none) },
      { values: [1, null, -0.1], statuses: names, event_timestamps: stamps },
      { values: ['"\n', null, 'Zürich'], statuses: names, event_timestamps: stamps },
      { values: [true, false, null], statuses: ['PRESENT', 'PRESENT', 'NULL_VALUE'], event_timestamps: stamps },
      { values: [1.5, null, 0], statuses: names, event_timestamps: ['2026-03-01T00:00:00Z', none, '2026-03-01T10:09:08.070Z'] },
    ],
    metadata: { feature_names: ['id', 'a', 'b', 'c', 'd'], positions: { v: { 0: 7 } } },
  });
  const strict = JSON.parse(writeFeastResponse(['a', 'b', 'c', 'd'], answer, true)) as {
    results: { statuses: string[] }[];
    metadata: unknown;
  };
  expect(strict.results[3]?.statuses).toEqual(['PRESENT', 'PRESENT', 'PRESENT']);
  expect(strict.metadata).toEqual({ feature_names: ['id', 'a', 'b', 'c', 'd'] });
});

test('an answer without rows is one', () => {
  const columns = [{ view: 'v', name: 'a', type: 'Int64', values: [], statuses: [], times: [] }];
  const answer = { rows: 0, request: [], joinKeys: [{ name: 'id', type: 'Int64', values: [] }], vectors: { columns, positions: {} } };
  const { results } = JSON.parse(writeFeastResponse(['a'], answer, false)) as { results: unknown[] };
  expect(results).toEqual(Array(2).fill({ values: [], statuses: [], event_timestamps: [] }));
});
