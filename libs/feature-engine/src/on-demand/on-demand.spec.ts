import { describe, expect, test } from '@jest/globals';
import { type MemoryOnlineStore } from '@millrace/online-store';
import type { OnDemandViewDefinition } from '../definitions.js';
import { OnlineReader } from '../online-reader.js';
import { compileFeatureService, type ServedView } from '../service-plan.js';
import { Status } from '../status.js';
import { CITY, cityTrips, compileChecks, SOURCE, STORED } from '../testing/trip-views.js';
import { compileView } from '../view-plan.js';
import { compileOnDemandView } from './compile-on-demand-view.js';

const distance = { distance: 'Float64' };

describe('a view computed on demand', () => {
  test.each<[string, Partial<OnDemandViewDefinition>, RegExp]>([
    ['an unknown view', { inputs: ['city_trip'] }, /there is no feature view city_trip to compute from/],
    ['an unknown feature', { inputs: ['city_trips:fares'] }, /feature view city_trips has no feature fares/],
    [
      'an unknown name',
      { request: distance, features: [{ name: 'x', expression: 'distnce * 2' }] },
      /there is no input distnce; did you mean distance\?/,
    ],
    [
      'a name that two views have',
      { inputs: ['city_trips', 'route_trips'], features: [{ name: 'x', expression: 'fare' }] },
      /there is no input fare; write city_trips__fare or route_trips__fare/,
    ],
    [
      'a type that does not fit',
      { inputs: ['city_trips'], features: [{ name: 'x', expression: 'driver + 1' }] },
      /\+ cannot take text and a whole number/,
    ],
    ['an unknown type', { request: { distance: 'Float16' } }, /request field distance has the type Float16, which is not one of/],
    [
      'a request field like an input',
      { inputs: ['city_trips:fare'], request: { fare: 'Float64' } },
      /request field fare is also an input from feature view city_trips/,
    ],
    [
      'a request field like a join key',
      { inputs: ['city_trips:fare'], request: { city: 'String' } },
      /request field city is also a join key of feature view city_trips/,
    ],
    [
      'a feature like a request field',
      { request: distance, features: [{ name: 'distance', expression: 'distance' }] },
      /distance is a feature and a request field/,
    ],
    [
      'a feature like a join key',
      { inputs: ['city_trips'], features: [{ name: 'city', expression: 'fare' }] },
      /city is a feature and a join key/,
    ],
    [
      'a feature that is there twice',
      { request: distance, features: ['a', 'a'].map((name) => ({ name, expression: 'distance' })) },
      /two features have one name/,
    ],
    ['the time asked for as a field', { request: { asked_at: 'Float64' } }, /may be called asked_at/],
    [
      'an aggregate',
      { request: distance, features: [{ name: 'x', aggregate: 'count' }] },
      /feature x needs an expression; a view without a source/,
    ],
    [
      'an aggregate’s field',
      { request: distance, features: [{ name: 'x', expression: 'distance', window: '1h' }] },
      /feature x is an expression and takes no window/,
    ],
    ['nothing but null', { request: distance, features: [{ name: 'x', expression: 'null' }] }, /expression of x is always null/],
    ['nothing to compute from', { features: [{ name: 'x', expression: '1' }] }, /neither inputs nor request fields/],
    ['no features', { request: distance, features: [] }, /it has no features/],
  ])('with %s is refused with a sentence', (_what, definition, message) => {
    expect(() => compileChecks(definition)).toThrow(message);
  });

  test('calls what it reads by its name, and by the view’s as well where two have one', () => {
    const { inputs, features } = compileChecks({
      inputs: ['city_trips:fare', 'city_trips:trips_1s', 'city_trips:fare', 'route_trips'],
      features: [{ name: 'x', expression: 'city_trips__fare - route_trips__fare + trips_1s' }],
    });
    expect(inputs.map(({ name }) => name)).toEqual(['city_trips__fare', 'trips_1s', 'route_trips__fare']);
    expect(features.map(({ type }) => type)).toEqual(['Float64']);
  });

  test('calls a version of a view by the version, in double quotes', () => {
    const inputs = ['city_trips:fare', 'city_trips@1:fare'];
    const features = [{ name: 'x', expression: '"city_trips@1__fare" - city_trips__fare' }];
    const other = { ...cityTrips, name: 'city_trips@1' };
    const { features: compiled } = compileOnDemandView({ name: 'checks', inputs, features }, (name) =>
      name === 'city_trips' ? cityTrips : other,
    );
    expect(compiled[0]?.places).toEqual([0, 1]);
  });

  test('has the types of its expressions', () => {
    const texts = { a: 'doubled + 1', b: 'wide', c: 'seen', d: 'late', e: 'driver', f: 'trips_1s / 2', g: 'asked_at - seen', h: 'day' };
    const features = Object.entries(texts).map(([name, expression]) => ({ name, expression }));
    const { features: compiled } = compileChecks({ inputs: ['city_trips'], request: { day: 'Date' }, features });
    expect(compiled.map(({ type }) => type)).toEqual([
      'Int64',
      'Int64',
      'DateTime64(3)',
      'Bool',
      'String',
      'Float64',
      'Int64',
      'DateTime64(3)',
    ]);
  });

  test('has another version with another expression, request, input, or version of an input, and the same with other words about it', () => {
    const base = { inputs: ['city_trips:fare'], request: distance, features: [{ name: 'x', expression: 'fare / distance' }] };
    const other = compileView(
      { name: 'city_trips', entity: 'place', source: 'trips', ttl: '3s', features: [{ name: 'fare', aggregate: 'last', column: 'fare' }] },
      CITY,
      SOURCE,
    );
    const versions = [
      compileChecks(base),
      compileChecks({ ...base, features: [{ name: 'x', expression: 'fare * distance' }] }),
      compileChecks({ ...base, request: { distance: 'Float32' } }),
      compileChecks({ ...base, inputs: ['city_trips:fare', 'city_trips:late'] }),
      compileOnDemandView({ name: 'checks', ...base }, () => other),
    ].map(({ version }) => version);
    expect(new Set(versions).size).toBe(5);
    const described = { ...base, features: [{ ...base.features[0], description: 'what a mile costs' }] };
    expect(compileChecks(described as never).version).toBe(versions[0]);
    expect(compileChecks({ ...base, name: 'checks@1', pins: { city_trips: 'city_trips' } }).version).toBe(versions[0]);
  });
});

describe('a service with views computed on demand', () => {
  const checks = compileChecks({
    inputs: ['city_trips', 'route_trips:fare'],
    request: distance,
    features: [
      { name: 'per_km', expression: 'city_trips__fare / distance' },
      { name: 'busy', expression: 'trips_1s > 3' },
    ],
  });
  const views = new Map<string, ServedView>([...STORED, ['checks', checks] as const]);

  test('reads what its features use and nothing else, each view once', () => {
    const plan = compileFeatureService({ name: 's', features: ['checks:per_km', 'city_trips:fare'] }, views);
    expect(plan.views.map(({ name }) => name)).toEqual(['city_trips']);
    expect(plan.stored.map(({ name }) => name)).toEqual(['fare']);
    expect(plan.joinKeys.map(({ name }) => name)).toEqual(['city']);
    expect(plan.request.map(({ name, type }) => [name, type.name])).toEqual([['distance', 'Float64']]);
    expect(plan.columns.map((column) => (typeof column === 'number' ? column : column.feature.name))).toEqual(['per_km', 0]);
  });

  test('unites what it takes from the request, and refuses one name with two types', () => {
    const own = { name: 's', features: ['checks'], request: { seats: 'Int32', distance: 'Float64' } };
    expect(compileFeatureService(own, views).request.map(({ name }) => name)).toEqual(['seats', 'distance']);
    expect(() => compileFeatureService({ ...own, request: { distance: 'Float32' } }, views)).toThrow(
      'request field distance is Float64 in feature view checks and Float32 in the feature service',
    );
    const others = new Map<string, ServedView>([
      ...views,
      ['more', compileChecks({ name: 'more', request: { distance: 'Int32' } })] as const,
    ]);
    expect(() => compileFeatureService({ name: 's', features: ['checks', 'more'] }, others)).toThrow(
      'request field distance is Int32 in feature view more and Float64 in feature view checks',
    );
  });

  test('without any it is read as ever', () => {
    const plan = compileFeatureService({ name: 's', features: ['city_trips'] }, views);
    expect(plan.stored).toBe(plan.features);
    expect(plan.onDemand).toEqual([]);
  });

  test('of the request alone reads nothing', async () => {
    const plan = compileFeatureService(
      { name: 's', features: ['only'] },
      new Map([['only', compileChecks({ name: 'only', request: distance })]]),
    );
    const store = { getMany: () => Promise.reject(new Error('it was read')) } as unknown as MemoryOnlineStore;
    const { columns, positions } = await new OnlineReader(store, () => 1).readVectors(plan, [{}, {}], 0, [[2, null]]);
    expect(columns).toEqual([
      { view: 'only', name: 'x', type: 'Float64', values: [2, null], statuses: [Status.PRESENT, Status.NULL_VALUE], times: [0, 0] },
    ]);
    expect(positions).toEqual({});
  });
});
