import { expect, test } from '@jest/globals';
import { applyDocuments, type ApplyContext } from './apply-documents.js';
import { inputViews, onDemandResources, serviceResources } from './feature-references.js';
import { usersOf } from './pins.js';
import { context, METADATA } from './testing/one-replica.js';

const TRIPS = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: trips}
spec: {topic: trips, eventTime: at, schema: {at: DateTime64(3), city: String, fare: Float64, driver: String}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: place}
spec: {joinKeys: {city: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: city_fares}
spec:
  entity: place
  source: trips
  features: [{name: fare_mean, aggregate: mean, column: fare, window: 1h}, {name: driver, aggregate: last, column: driver}]
`;
const CHECKS = `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: a_checks}
spec:
  inputs: [city_fares]
  request: {distance: Float64}
  features: [{name: per_km, expression: fare_mean / distance}]
`;
const SERVICE = `
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: fares}
spec: {features: [a_checks]}
`;
const ALL = `${CHECKS}---${SERVICE}---${TRIPS}`;

let commands = 0;
const apply = (house: ApplyContext, text: string, dryRun = false) =>
  applyDocuments(text, { ...METADATA, commandId: `o${commands++}` }, house, dryRun);
const versions = async (house: ApplyContext, text: string, dryRun = false): Promise<string[]> => {
  const result = await apply(house, text, dryRun);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.documents.map(({ name, version, outcome }) => `${name}@${version} ${outcome}`);
};
const problems = async (house: ApplyContext, text: string): Promise<string[]> => {
  const result = await apply(house, text);
  return result.ok ? [] : result.problems.map(({ resource, field, message }) => `${resource} ${field}: ${message}`);
};

test('is applied after the views it reads, whatever they are called, and is versioned with them and with itself', async () => {
  const house = context();
  expect(await versions(house, ALL)).toEqual([
    'trips@1 created',
    'place@1 created',
    'city_fares@1 created',
    'a_checks@1 created',
    'fares@1 created',
  ]);
  expect(house.catalog.get('FeatureView', 'a_checks')?.pins).toEqual({ 'FeatureView/city_fares': 1 });
  const wider = TRIPS.replace('window: 1h', 'window: 2h');
  expect(await versions(house, wider, true)).toEqual(await versions(house, wider));
  expect(house.catalog.get('FeatureView', 'a_checks')).toMatchObject({ version: 2, pins: { 'FeatureView/city_fares': 2 } });
  expect(house.catalog.get('FeatureService', 'fares')).toMatchObject({ version: 2, pins: { 'FeatureView/a_checks': 2 } });
  expect(await versions(house, CHECKS.replace('fare_mean / distance', 'fare_mean * distance'))).toEqual([
    'a_checks@3 configured',
    'fares@3 configured',
  ]);
  expect(await versions(house, CHECKS.replace('fare_mean / distance', 'fare_mean * distance'))).toEqual(['a_checks@3 unchanged']);
  // Each version holds what it was.
  expect(serviceResources(house.catalog, 'fares@2')?.features).toEqual(['a_checks@2']);
  const first = onDemandResources(house.catalog, 'a_checks@1');
  expect(first).toMatchObject({ name: 'a_checks@1', inputs: ['city_fares'], pins: { city_fares: 'city_fares@1' } });
  expect(inputViews(first ?? {})).toEqual(['city_fares@1']);
  expect(onDemandResources(house.catalog, 'a_checks')).not.toHaveProperty('pins');
  expect(onDemandResources(house.catalog, 'city_fares')).toBeUndefined();
});

test('a view that names versions stays as it is', async () => {
  const house = context();
  await versions(house, TRIPS);
  await versions(house, CHECKS.replace('[city_fares]', '["city_fares@1:fare_mean"]'));
  await versions(house, TRIPS.replace('window: 1h', 'window: 2h'));
  expect(house.catalog.get('FeatureView', 'a_checks')).toMatchObject({ version: 1 });
  expect(inputViews(onDemandResources(house.catalog, 'a_checks@1') ?? {})).toEqual(['city_fares@1']);
});

test.each<[string, string, string]>([
  [
    'an unknown view',
    CHECKS.replace('[city_fares]', '[city_fare]'),
    'spec.inputs[0]: FeatureView city_fare does not exist; apply it first or in the same request',
  ],
  [
    'an unknown version',
    CHECKS.replace('[city_fares]', '["city_fares@7"]'),
    'spec.inputs[0]: FeatureView city_fares has no version 7; versions are told by GET /api/v1/resources/FeatureView/city_fares',
  ],
  [
    'an unknown feature',
    CHECKS.replace('[city_fares]', '["city_fares:fare"]'),
    'spec.inputs[0]: FeatureView city_fares has no feature fare; it has fare_mean, driver',
  ],
  [
    'an unknown name',
    CHECKS.replace('/ distance', '/ distanc'),
    'spec.features[0].expression: there is no input distanc; did you mean distance?, at character 13: fare_mean / ▸distanc',
  ],
  [
    'a type that does not fit',
    CHECKS.replace('fare_mean /', 'driver /'),
    'spec.features[0].expression: / cannot take text and a number; texts are joined by ||, at character 8: driver ▸/ distance',
  ],
  [
    'an aggregate',
    CHECKS.replace('expression: fare_mean / distance', 'aggregate: count, window: 1h'),
    'spec.features[0].expression: feature per_km needs an expression; a view without a source computes no aggregates',
  ],
  [
    'a feature that is there twice',
    CHECKS.replace('features: [', 'features: [{name: per_km, expression: distance}, '),
    'spec.features[1].name: per_km is there twice',
  ],
  [
    'a request field that is a join key',
    CHECKS.replace('{distance: Float64}', '{distance: Float64, city: String}'),
    'spec.inputs: request field city is also a join key of feature view city_fares; call it otherwise',
  ],
  [
    'a ttl',
    CHECKS.replace('  request:', '  ttl: 1h\n  request:'),
    'spec.ttl: cannot stand beside inputs: a view computed on demand keeps nothing; remove one of them',
  ],
])('with %s is refused, with the field and the mend', async (_what, text, problem) => {
  const house = context();
  await versions(house, TRIPS);
  expect(await problems(house, text)).toEqual([`FeatureView/a_checks ${problem}`]);
  expect(house.catalog.get('FeatureView', 'a_checks')).toBeUndefined();
});

test('is not computed from another that is computed on demand', async () => {
  const house = context();
  await versions(house, ALL);
  expect(
    await problems(house, CHECKS.replace('a_checks', 'more').replace('city_fares', 'a_checks').replace('fare_mean /', 'per_km /')),
  ).toEqual([
    'FeatureView/more spec.inputs[0]: FeatureView a_checks is itself computed on demand; name the views that it reads, and repeat its expression',
  ]);
});

test('services are refused where two want one name of the request, or it is a feature too', async () => {
  const house = context();
  await versions(house, ALL);
  expect(await problems(house, SERVICE.replace('[a_checks]', '[a_checks], request: {distance: Float32}'))).toEqual([
    'FeatureService/fares spec.features[0]: FeatureView a_checks takes distance of the request as Float64, and the request of this service as Float32',
  ]);
  const other = CHECKS.replace('a_checks', 'b_checks').replace('per_km', 'per_mile').replace('distance: Float64', 'distance: Int32');
  expect(await problems(house, `${other}---${SERVICE.replace('[a_checks]', '[a_checks, b_checks]')}`)).toEqual([
    'FeatureService/fares spec.features[1]: FeatureView b_checks takes distance of the request as Int32, and FeatureView a_checks as Float64',
  ]);
  const named = CHECKS.replace('a_checks', 'b_checks')
    .replace('distance: Float64', 'driver: String')
    .replace('fare_mean / distance', 'upper(driver)');
  expect(
    await problems(
      house,
      `${named.replace('[city_fares]', '["city_fares:fare_mean"]')}---${SERVICE.replace('[a_checks]', '[city_fares, b_checks]')}`,
    ),
  ).toEqual(['FeatureService/fares spec.features: driver is a request field of FeatureView b_checks and a feature of city_fares']);
});

test('a view that others are computed from keeps what they read, unless they change in the same request', async () => {
  const house = context();
  await versions(house, ALL);
  const without = TRIPS.replace('name: fare_mean', 'name: fare_avg');
  expect(await problems(house, without)).toEqual([
    'FeatureView/city_fares spec: FeatureView a_checks is computed from it and could not be any more: spec.features[0].expression ' +
      'there is no input fare_mean, at character 1: ▸fare_mean / distance; apply both in one request',
  ]);
  expect(await versions(house, `${without}---${CHECKS.replace('fare_mean', 'fare_avg')}`)).toEqual([
    'trips@1 unchanged',
    'place@1 unchanged',
    'city_fares@2 configured',
    'a_checks@2 configured',
    'fares@2 configured',
  ]);
});

test('what rests on a resource is known by it', async () => {
  const house = context();
  await versions(house, ALL);
  expect(usersOf(house.catalog, 'FeatureView', 'city_fares')).toEqual(['FeatureView/a_checks']);
  expect(usersOf(house.catalog, 'FeatureView', 'a_checks')).toEqual(['FeatureService/fares']);
  expect(usersOf(house.catalog, 'Source', 'trips')).toEqual(['FeatureView/city_fares']);
  expect(usersOf(house.catalog, 'FeatureService', 'fares')).toEqual([]);
  const serving = (kind: string, name: string, spec: string): string =>
    `---\napiVersion: millrace.dev/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
  await apply(
    house,
    serving('Deployment', 'now', '{model: models:/fares/1, featureService: fares}') +
      serving('Deployment', 'then', '{model: models:/fares/1, featureService: fares@1}') +
      serving('Rollout', 'next', '{deployment: now, candidate: models:/fares/2, strategy: shadow}'),
  );
  expect(usersOf(house.catalog, 'FeatureService', 'fares')).toEqual(['Deployment/now']);
  expect(usersOf(house.catalog, 'Deployment', 'now')).toEqual(['Rollout/next']);
  expect(usersOf(house.catalog, 'Deployment', 'then')).toEqual([]);
});
