import { expect, test } from '@jest/globals';
import { ResourceCatalog } from '@millrace/resources';
import { featureVector } from './feature-vector.js';

const SPECS: Readonly<Record<string, readonly [kind: string, spec: object]>> = {
  trips: ['Source', { topic: 'trips', eventTime: 'at', schema: { at: 'DateTime64(3)', city: 'String', fare: 'Float64' } }],
  place: ['Entity', { joinKeys: { city: 'String' } }],
  fares: ['FeatureView', { entity: 'place', source: 'trips', features: [{ name: 'fare', aggregate: 'last', column: 'fare' }] }],
  checks: [
    'FeatureView',
    {
      inputs: ['fares'],
      request: { distance: 'Float64', seats: 'Int32' },
      features: ['per_km', 'room'].map((name) => ({ name, expression: 'fare' })),
    },
  ],
  whole: ['FeatureService', { features: ['fares', 'checks'], request: { seats: 'Int32', channel: 'String' } }],
  part: ['FeatureService', { features: ['checks@1:room'] }],
};

test('has what views compute on demand, and what they take from the request, each once', () => {
  const catalog = new ResourceCatalog();
  for (const [name, [kind, spec]] of Object.entries(SPECS)) {
    catalog.apply({ type: 'ResourceApplied', data: { kind, name, spec, labels: {}, description: null, hash: name, version: 1 } });
  }
  expect(featureVector(catalog, 'whole')).toEqual(['fare', 'per_km', 'room', 'seats', 'channel', 'distance']);
  expect(featureVector(catalog, 'part')).toEqual(['room', 'distance', 'seats']);
  expect(featureVector(catalog, 'none')).toBeUndefined();
});
