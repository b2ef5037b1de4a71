import { describe, expect, test } from '@jest/globals';
import { checkSpec, kindSchema } from './kinds.js';

const VIEW = { entity: 'origin', source: 'flights', features: [{ name: 'departures_1h', aggregate: 'count', window: '1h' }] };

describe('checkSpec', () => {
  test('takes a spec of the right shape', () => {
    expect(checkSpec('FeatureView', VIEW)).toEqual([]);
  });

  test('tells every mistake at once, by the field as it is written', () => {
    const spec = {
      entity: 7,
      features: [
        { name: 'a', aggregate: 'median', windw: '1h' },
        { name: 'b', aggregate: 'sum', window: 'soon' },
      ],
    };
    expect(checkSpec('FeatureView', spec)).toEqual(
      expect.arrayContaining([
        { field: 'spec.source', message: 'is missing' },
        { field: 'spec.entity', message: 'must be a text, is 7' },
        { field: 'spec.features[0].aggregate', message: expect.stringMatching(/^"median" is not one of count, sum, .*, quantile$/) },
        {
          field: 'spec.features[0].windw',
          message: expect.stringMatching(/^is not a field of spec.features\[0\]; fields are name, .*window/),
        },
        expect.objectContaining({ field: 'spec.features[1].window' }),
      ]),
    );
  });

  test('tells the fields that there are, and the one value there is', () => {
    expect(checkSpec('Source', { push: false, eventTime: 'at', scheme: {}, schema: { at: 'DateTime64(3)' } })).toEqual([
      { field: 'spec.scheme', message: expect.stringMatching(/^is not a field of this kind; fields are topic, .*schema/) },
      { field: 'spec.push', message: 'must be true, is false' },
    ]);
  });

  test('takes a view computed on demand, which has neither entity nor source', () => {
    const features = [{ name: 'per_km', expression: 'fare / distance' }];
    expect(checkSpec('FeatureView', { inputs: ['trips', 'trips@2:fare'], features })).toEqual([]);
    expect(checkSpec('FeatureView', { request: { distance: 'Float32' }, features })).toEqual([]);
    expect(checkSpec('FeatureView', { features })).toEqual([
      { field: 'spec.entity', message: 'is missing' },
      { field: 'spec.source', message: 'is missing' },
    ]);
    expect(checkSpec('FeatureView', { request: { distance: 'Nullable(Float32)' }, features })).toEqual([
      { field: 'spec.request.distance', message: expect.stringMatching(/^"Nullable\(Float32\)" is not one of String, Bool/) },
    ]);
  });

  test('is bounded', () => {
    const features = Array.from({ length: 400 }, () => ({}));
    expect(checkSpec('FeatureView', { ...VIEW, features }).length).toBeLessThanOrEqual(50);
  });

  test('has no opinion on a kind it does not know', () => {
    expect(checkSpec('constructor', {})).toEqual([]);
    expect(kindSchema('constructor')).toBeUndefined();
  });
});
