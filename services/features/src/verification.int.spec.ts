import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { migrate } from '@millrace/offline-store';
import { HOUR, START, trip, TripsService, until } from './testing/trips.js';
import type { Verification } from './verification/verify-served.js';

const MINUTE = 60_000;

interface Definition {
  readonly window: string;
  readonly filter?: string;
  readonly expression: string;
  readonly features: string;
}

const resources = ({ window, filter, expression, features }: Definition): string => `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: rides}
spec:
  entity: place
  source: trips
  features:
    - {name: rides, aggregate: count, window: ${window}${filter === undefined ? '' : `, filter: "${filter}"`}}
    - {name: fare_sum, aggregate: sum, column: fare, window: ${window}}
    - {name: fare, aggregate: last, column: fare}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: crowd}
spec: {inputs: ["rides:rides", "rides:fare"], request: {seats: Int32}, features: [{name: crowd, expression: ${expression}}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: model}
spec: {features: ${features}}
`;

const FIRST: Definition = { window: '90m', expression: 'rides * 100 + seats', features: '[rides, crowd]' };
const SECOND: Definition = { window: '3h', filter: 'fare > 1.5', expression: 'rides * 1000 + seats', features: '[rides, crowd]' };
const THIRD: Definition = { ...SECOND, expression: 'rides * 1000 - seats', features: '["rides:fare", crowd]' };

/** What the gateway logs of a vector, as its table has it. */
interface Served {
  readonly at: number;
  readonly entity: Readonly<Record<string, unknown>>;
  readonly features: Readonly<Record<string, unknown>>;
  readonly positions: object;
  readonly versions: Readonly<Record<string, string>>;
}

describe('served vectors of older definitions', () => {
  let trips: TripsService;
  let position: string;
  let logged = 0;
  beforeAll(async () => {
    trips = await TripsService.start({ MILLRACE_FEATURES_VERIFY_EVERY: '1s' });
    await migrate(trips.service.host.offline, {
      name: 'inference',
      directory: new URL('../../inference/src/migrations/', import.meta.url),
    });
    position = await trips.send([trip('a', 0, 1), trip('b', 70, 2.5), trip('c', 130, 1.25), trip('d', 140, 0.1, 'Zürich')]);
  }, 120_000);
  afterAll(() => trips.stop());

  const apply = async (text: string): Promise<void> => {
    const response = await trips.post('/api/v1/apply', text, 'application/yaml');
    if (response.status !== 200) throw new Error(await response.text());
  };
  const remove = async (kind: string, name: string): Promise<void> => {
    const response = await fetch(`${trips.service.url}/api/v1/resources/${kind}/${name}`, { method: 'DELETE' });
    if (response.status !== 200) throw new Error(await response.text());
  };
  /** The service and the views it rests on, in an order that leaves nothing in use. */
  const removeModel = async (): Promise<void> => {
    await remove('FeatureService', 'model');
    for (const view of ['crowd', 'rides']) await remove('FeatureView', view);
  };
  const verify = async (body: object): Promise<Verification> =>
    (await (await trips.post('/api/v1/features/verify', body)).json()) as Verification;

  /** Reads a vector as it is served now, in the names and with the versions the gateway logs. */
  const vector = async (city: string, at: number): Promise<Served> => {
    const request = { feature_service: 'model', entities: { city: [city], seats: [7] }, at, at_least: position };
    const [reply, set] = await Promise.all([
      trips.online(request),
      trips.post('/api/v1/training-sets', {
        featureService: 'model',
        timestampColumn: 'asked',
        spine: { rows: [{ city, asked: at, seats: 7 }] },
      }),
    ]);
    const { versions } = (await set.json()) as Pick<Served, 'versions'>;
    const names = reply.metadata.feature_names.slice(1);
    const features = Object.fromEntries(names.map((name, index) => [name, reply.results[index + 1]?.values[0] ?? null]));
    return { at, entity: { city }, features, positions: reply.metadata.positions, versions };
  };
  /** Serves vectors once the definition is in force: `crowd` of Bern at 03:00 is its fingerprint, which no other definition gives, nor the state of the one before. */
  const serve = async (definition: Definition, crowd: number): Promise<Served[]> => {
    await apply(resources(definition));
    await until(
      () => vector('Bern', START + 3 * HOUR).catch(() => undefined),
      (found) => found?.features['crowd'] === crowd,
    );
    const asked = ['Bern', 'Zürich', 'Nowhere'].flatMap((city) => [1, 2, 3].map((hours) => vector(city, START + hours * HOUR)));
    return Promise.all(asked);
  };
  const log = async (deployment: string, vectors: readonly Served[], time = Date.parse('2026-01-02T00:00:00Z')): Promise<void> => {
    const rows = vectors.map(({ at, entity, features, positions, versions }) => ({
      _topic: 'millrace.inference.predictions',
      ...{ _partition: 0, _offset: logged, _row: 0 },
      ...{ prediction_id: `${deployment}-${logged++}`, row: 0, deployment, feature_service: 'model' },
      ...{ time: new Date(time).toISOString(), feature_time: new Date(at).toISOString() },
      ...{ entity: JSON.stringify(entity), request: JSON.stringify({ seats: 7 }), features: JSON.stringify(features) },
      ...{ feature_positions: JSON.stringify(positions), feature_versions: JSON.stringify(versions) },
    }));
    await trips.service.host.offline.insert('millrace.predictions', rows, `served:${logged}`);
  };
  const served: Served[] = [];

  test('are computed again by the definitions that served them, views on demand and other features of the service too', async () => {
    const first = await serve(FIRST, 107);
    // An event that version 1 did not know of, and one that it had otherwise.
    position = await trips.send([trip('late', 50, 9), trip('b', 70, 3.5)]);
    const second = await serve(SECOND, 2007);
    const third = await serve(THIRD, 1993);
    served.push(...first, ...second, ...third);
    const distinct = new Set(served.map(({ versions }) => JSON.stringify(versions)));
    expect([served.length, distinct.size]).toEqual([27, 3]);
    const value = (vectors: readonly Served[], name: string): unknown[] => vectors.slice(0, 3).map(({ features }) => features[name]);
    expect(value(first, 'rides')).not.toEqual(value(second, 'rides'));
    expect(value(first, 'crowd')).not.toEqual(value(second, 'crowd'));
    expect(Object.keys(third[0]?.features ?? {})).toEqual(['fare', 'crowd']);
    await log('right', served);
    expect(await verify({ deployment: 'right' })).toMatchObject({
      of: expect.stringContaining('other reads are not'),
      ...{ compared: 27, mismatches: 0, unverifiable: {}, examples: [] },
    });
    expect((await verify({ deployment: 'right' })).features).toEqual(
      expect.arrayContaining([
        { view: 'rides', feature: 'rides', compared: 18, mismatches: 0 },
        { view: 'rides', feature: 'fare', compared: 27, mismatches: 0 },
        { view: 'crowd', feature: 'crowd', compared: 27, mismatches: 0 },
      ]),
    );
  }, 120_000);

  test('are compared by the scheduled check, too', async () => {
    const counted = async (): Promise<{ same: number; different: number; unverifiable: number }> => {
      const text = await (await trips.get('/metrics')).text();
      const read = (line: RegExp): number => Number(line.exec(text)?.[1] ?? 0);
      return {
        same: read(/^millrace_features_verified_values_total\{view="crowd",feature="crowd",outcome="same"[^}]*\} (\d+)/m),
        different: read(/^millrace_features_verified_values_total\{view="crowd",feature="crowd",outcome="different"[^}]*\} (\d+)/m),
        unverifiable: read(/^millrace_features_unverifiable_vectors_total(?:\{[^}]*\})? (\d+)/m),
      };
    };
    // The check leaves out the newest minute, and goes through the rest second by second.
    await log('checked', served, Date.now() - MINUTE + 2_000);
    expect(await until(counted, ({ same }) => same >= 27)).toEqual({ same: 27, different: 0, unverifiable: 0 });
  });

  test('differ where what was served is not what their definition gives', async () => {
    // Of one city and time, as versions 1, 2 and 3 gave it.
    const [first, second, third] = [2, 11, 20].map((index) => served[index]) as [Served, Served, Served];
    const swapped = { ...first.features, rides: second.features['rides'] };
    const { fare, ...nameless } = third.features;
    await log('wrong', [
      { ...first, features: swapped },
      { ...first, features: { ...first.features, crowd: 1 } },
      { ...third, features: nameless },
    ]);
    const found = await verify({ deployment: 'wrong' });
    expect(swapped).not.toEqual(first.features);
    expect(found).toMatchObject({ compared: 3, mismatches: 3, unverifiable: {} });
    expect(found.examples).toMatchObject([
      { view: 'rides', feature: 'rides', served: swapped.rides, recomputed: first.features['rides'] },
      { view: 'crowd', feature: 'crowd', served: 1, recomputed: first.features['crowd'] },
      { view: 'rides', feature: 'fare', served: null, recomputed: fare },
    ]);
    expect(fare).toBe(1.25);
  });

  test('are compared as far as they are recorded, where their deployment leaves something out', async () => {
    const predictionLog = { redact: ['rides:fare', 'city'] };
    const spec = { model: 'models:/any/1', featureService: 'model', predictionLog };
    await apply(JSON.stringify({ apiVersion: 'millrace.dev/v1', kind: 'Deployment', metadata: { name: 'redacted' }, spec }));
    // Its rules hold on when it is gone, and records from before they did are whole.
    await remove('Deployment', 'redacted');
    const third = served[20] as Served;
    const { fare: _left, ...rest } = third.features;
    await log('redacted', [
      third,
      { ...third, features: rest },
      { ...third, features: { ...rest, crowd: 1 } },
      { ...third, entity: {}, features: rest },
    ]);
    expect(await verify({ deployment: 'redacted' })).toMatchObject({
      ...{ compared: 3, mismatches: 1 },
      examples: [{ view: 'crowd', feature: 'crowd', served: 1 }],
      unverifiable: { 'what it was made from is left out of its record (predictionLog.redact of its deployment)': 1 },
    });
  });

  test('cannot be computed again by a definition that is not in the log', async () => {
    const [first] = served as [Served];
    await log('unknown', [
      { ...first, versions: { ...first.versions, rides: 'another' } },
      { ...first, versions: { ...first.versions, crowd: 'another' } },
      { ...first, versions: { ...first.versions, city_fares: served[0]?.versions['rides'] ?? '' } },
      first,
    ]);
    expect(await verify({ deployment: 'unknown' })).toMatchObject({
      compared: 1,
      mismatches: 0,
      unverifiable: {
        'the definition by which feature view rides was served is not in the log': 1,
        'the definition by which feature view crowd was served is not in the log': 1,
        'the definition by which feature view city_fares was served is not in the log': 1,
      },
    });
  });

  test('are not said to be right where a misspelt name has none', async () => {
    const asked = async (body: object): Promise<unknown[]> => {
      const response = await trips.post('/api/v1/features/verify', body);
      return [response.status, ((await response.json()) as { detail?: string }).detail];
    };
    expect(await asked({ deployment: 'rigt' })).toEqual([
      404,
      'deployment: no Deployment "rigt" is applied, and nothing was served by one in that time',
    ]);
    expect((await asked({ featureService: 'modl' }))[0]).toBe(404);
    expect((await asked({ featureService: 'model', to: '2020-01-01T00:00:00Z' }))[0]).toBe(200);
  });

  test('are computed again after their definitions were deleted, and for as long as the source’s table has what they rest on', async () => {
    await removeModel();
    const all = { compared: 27, mismatches: 0, unverifiable: {} };
    expect(await verify({ deployment: 'right' })).toMatchObject(all);
    const source = (await (await trips.get('/api/v1/resources/Source/trips')).json()) as { spec: object };
    for (const [kind, name] of [
      ['FeatureService', 'fares'],
      ['FeatureView', 'city_fares'],
      ['FeatureView', 'line_fares'],
      ['Source', 'trips'],
    ] as const)
      await remove(kind, name);
    await until(
      async () => (await trips.get('/api/v1/sources/trips')).status,
      (status) => status === 404,
    );
    expect(await verify({ deployment: 'right' })).toMatchObject(all);
    const [first] = served as [Served];
    await log('ahead', [{ ...first, positions: { rides: { 0: 99, 1: 99, 2: 99, 3: 99 } } }]);
    expect(await verify({ deployment: 'ahead' })).toMatchObject({
      compared: 0,
      unverifiable: { 'source trips is deleted, and its table ends before what was served': 1 },
    });
    const moved = { ...source.spec, topic: 'other-trips' };
    await apply(JSON.stringify({ apiVersion: 'millrace.dev/v1', kind: 'Source', metadata: { name: 'trips' }, spec: moved }));
    expect(await verify({ deployment: 'right' })).toMatchObject({
      compared: 0,
      unverifiable: { 'source trips has another topic now, and its table with it': 27 },
    });
    // What is served from the new topic is not mixed with the old one's events, which have the same places.
    await apply(resources(THIRD));
    position = await until(
      () => trips.send([trip('m1', 100, 2), trip('m2', 110, 3), trip('m3', 115, 4)]).catch(() => ''),
      (found) => found.startsWith('other-trips'),
    );
    const fromNew = [await vector('Bern', START + 150 * MINUTE), await vector('Bern', START + 105 * MINUTE)];
    expect(fromNew.map(({ features }) => features['crowd'])).toEqual([2993, 993]);
    expect(await trips.service.host.offline.query('SELECT DISTINCT _topic FROM millrace.source_trips')).toEqual([
      { _topic: 'other-trips' },
    ]);
    await log('moved', fromNew);
    expect(await verify({ deployment: 'moved' })).toMatchObject({ compared: 2, mismatches: 0, unverifiable: {} });
    await removeModel();
    const applySource = (spec: object): Promise<void> =>
      apply(JSON.stringify({ apiVersion: 'millrace.dev/v1', kind: 'Source', metadata: { name: 'trips' }, spec }));
    // Back at its first topic, the table is filled from it again.
    await applySource(source.spec);
    await until(
      () => verify({ deployment: 'right' }),
      (found) => found.compared === 27,
    );
    expect(await verify({ deployment: 'right' })).toMatchObject(all);
    await applySource({ ...source.spec, schema: { id: 'String', at: 'DateTime64(3)', city: 'String', line: 'Int32', fare: 'Float32' } });
    expect(await verify({ deployment: 'right' })).toMatchObject({
      compared: 0,
      unverifiable: { 'source trips has another column fare now, and its table with it': 27 },
    });
    await applySource(source.spec);
    await until(
      () => verify({ deployment: 'right' }),
      (found) => found.compared === 27,
    );
    expect(await verify({ deployment: 'right' })).toMatchObject(all);
  }, 120_000);
});
