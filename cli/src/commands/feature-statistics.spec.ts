import { expect, test } from '@jest/globals';
import { statisticsText } from './feature-statistics.js';

const interval = {
  ...{
    from: '2026-01-01T00:00:00.000Z',
    count: 500,
    population: 2_000,
    nulls: 3,
    notFound: 2,
    outsideMaxAge: 1,
    distinct: 40,
    min: 0,
    max: 1234.56789,
    mean: 10,
    stddev: 0.1 + 0.2,
  },
  ...{ quantiles: { p05: 1, p50: 2, p95: 3 }, top: null },
};

test('shows a table for each feature, of how many a sample is, and what is still missing', () => {
  const text = statisticsText({
    view: 'rides',
    of: 'events',
    behind: { records: 0, hours: 7 },
    features: [
      { name: 'fare_1h', series: [interval] },
      {
        name: 'driver',
        series: [
          {
            ...interval,
            population: 500,
            min: null,
            max: null,
            mean: null,
            stddev: null,
            quantiles: null,
            top: [{ value: 'Bo', count: 9 }],
          },
        ],
      },
      { name: 'none', series: [] },
    ],
  });
  expect(text.split('\n').map((line) => line.replace(/ +/g, ' ').trim())).toEqual([
    'rides:fare_1h',
    'FROM COUNT NULLS DISTINCT MIN P05 P50 P95 MAX MEAN STDDEV MOST FREQUENT',
    '2026-01-01T00:00Z 500 of 2000 3 40 0 1 2 3 1234.57 10 0.3',
    '',
    'rides:driver',
    'FROM COUNT NULLS DISTINCT MIN P05 P50 P95 MAX MEAN STDDEV MOST FREQUENT',
    '2026-01-01T00:00Z 500 3 40 Bo (9)',
    '',
    'rides:none',
    'no values',
    '',
    'not counted yet: 7 hours; ask again later',
    '',
  ]);
});

test('tells apart why served values are missing', () => {
  const text = statisticsText({
    view: 'rides',
    of: 'served',
    behind: { records: 0, hours: 0 },
    features: [{ name: 'fare_1h', series: [{ ...interval, population: 500 }] }],
  });
  expect(text.split('\n').map((line) => line.replace(/ +/g, ' ').trim())).toEqual([
    'rides:fare_1h',
    'FROM COUNT NULLS NOT FOUND TOO OLD DISTINCT MIN P05 P50 P95 MAX MEAN STDDEV MOST FREQUENT',
    '2026-01-01T00:00Z 500 3 2 1 40 0 1 2 3 1234.57 10 0.3',
    '',
    '',
  ]);
});
