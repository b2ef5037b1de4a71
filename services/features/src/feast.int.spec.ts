import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { HOUR, START, TripsService, until, type OnlineReply } from './testing/trips.js';

const iso = (minutes: number): string => new Date(START + minutes * 60_000).toISOString().replace('Z', '');

const LATEST = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: ratings}
spec:
  topic: ratings
  key: driver
  eventTime: rated
  schema: {driver: Int64, rated: DateTime64(3), created: Nullable(DateTime64(3)), stars: Nullable(Int32), note: Nullable(String), since: Nullable(DateTime64(3))}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: driver}
spec: {joinKeys: {driver: Int64}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: rating}
spec:
  entity: driver
  source: ratings
  ttl: 1h
  features:
    - {name: latest_stars, aggregate: last, column: stars}
    - {name: since, aggregate: last, column: since}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: rating_offline}
spec: {entity: driver, source: ratings, online: false, features: [{name: note, aggregate: last, column: note}]}
`;

describe('Feast’s other paths', () => {
  let trips: TripsService;
  beforeAll(async () => {
    trips = await TripsService.start();
    expect((await trips.post('/api/v1/apply', LATEST, 'application/yaml')).status).toBe(200);
    await until(
      () => trips.get('/api/v1/sources/ratings'),
      ({ status }) => status === 200,
    );
  });
  afterAll(() => trips.stop());

  const ask = async (path: string, body: object): Promise<unknown[]> => {
    const response = await trips.post(path, body);
    const text = await response.text();
    const said: unknown = text === '' ? '' : JSON.parse(text);
    return [response.status, typeof said === 'string' && said.startsWith('{') ? (JSON.parse(said) as unknown) : said];
  };
  const push = (df: object, more: object = {}) => ask('/push', { push_source_name: 'trips', df, ...more });
  const trip = (id: string, minutes: number, fare: unknown) => ({
    id: [id],
    event_timestamp: [iso(minutes)],
    city: ['Bern'],
    line: [9],
    fare: [fare],
  });

  test('what is pushed is counted in windows when the answer comes, once for each id', async () => {
    expect(await push(trip('a', 0, 2))).toEqual([200, '']);
    const both = { id: ['b', 'a'], event_timestamp: [iso(5), iso(1)], city: ['Bern', 'Bern'], line: [9, 9], fare: [4, 3], unknown: [1, 2] };
    expect(await push(both, { to: 'online_and_offline' })).toEqual([200, '']);
    const reply = await trips.online({
      features: ['city_fares:trips_1h', 'city_fares:fare_mean_1h'],
      entities: { city: ['Bern'] },
      at: START + HOUR,
    });
    expect(reply.results.slice(1).map(({ values }) => values)).toEqual([[2], [3.5]]);
    const rows = await trips.service.host.offline.query<{ id: string }>('SELECT id FROM millrace.source_trips ORDER BY id');
    expect(rows.map(({ id }) => id)).toEqual(['a', 'a', 'b']);
  });

  test('a frame is taken whole or not at all, and what is wrong with it is told by row and column', async () => {
    const frame = { ...trip('c', 6, 1), id: ['c', 'd'], event_timestamp: [iso(6), iso(7)], city: ['Bern', 'Bern'], line: [9, 9] };
    expect(await push({ ...frame, fare: [1, 'much'] })).toEqual([
      422,
      'Row 1 of df: field fare is "much"; it must be Float64; nothing was taken',
    ]);
    expect(await push({ ...frame, fare: [1] })).toEqual([422, 'Column fare of df has 1 values, another has 2']);
    expect(await push({ id: ['c'], event_timestamp: [iso(6)] })).toEqual([422, 'df has no column city, line, fare; source trips needs it']);
    expect(await push({ ...trip('c', 6, 1), event_timestamp: [5] })).toEqual([
      422,
      'Row 0 of df: event_timestamp is 5; it must be a time as text, such as 2026-01-31T12:00:00Z',
    ]);
    expect(await push({}, { push_source_name: 'none' })).toEqual([422, expect.objectContaining({ class: 'PushSourceNotFoundException' })]);
    expect(await push({}, { to: 'nowhere' })).toEqual([422, expect.stringMatching(/^to is "nowhere"; it must be one of online, offline/)]);
    expect(await push([])).toEqual([422, { detail: [expect.objectContaining({ type: 'dict_type', loc: ['body', 'df'] })] }]);
    const reply = await trips.online({ features: ['city_fares:trips_1h'], entities: { city: ['Bern'] }, at: START + HOUR });
    expect(reply.results[1]?.values).toEqual([2]);
  });

  test('rows of a view are written under its features’ names; a view that computes is refused', async () => {
    const row = { driver: [7], event_timestamp: [iso(0)], created: [null], latest_stars: [4], since: [1577836800], note: ['good'] };
    expect(await ask('/write-to-online-store', { feature_view_name: 'rating', df: row })).toEqual([200, null]);
    const read = (at: number, query = '') =>
      trips.post(`/get-online-features${query}`, { features: ['rating'], entities: { driver: [7] }, at });
    const { results } = (await (await read(START)).json()) as OnlineReply;
    expect(results.map(({ values, statuses }) => [values[0], statuses[0]])).toEqual([
      [7, 'PRESENT'],
      [4, 'PRESENT'],
      [1577836800, 'PRESENT'],
    ]);
    const { note: _note, ...partial } = row;
    expect(await ask('/write-to-online-store', { feature_view_name: 'rating', df: partial })).toEqual([
      422,
      'df has no column note; source ratings needs it',
    ]);
    expect(await ask('/write-to-online-store', { feature_view_name: 'city_fares', df: {} })).toEqual([
      422,
      'Feature view city_fares computes trips_1h, fare_mean_1h from events, so rows of it cannot be written; push the events to trips',
    ]);
    expect(await ask('/write-to-online-store', { feature_view_name: 'rating_offline', df: {} })).toEqual([
      422,
      'Feature view rating_offline is not kept online (online: false)',
    ]);
    expect(await ask('/write-to-online-store', { feature_view_name: 'none', df: {} })).toEqual([
      404,
      expect.objectContaining({ class: 'FeastObjectNotFoundException' }),
    ]);
  });

  test('strictly, a value past its ttl and a null are PRESENT, and a mistake is a 500', async () => {
    const row = { driver: [8], rated: [iso(0)], stars: [null], since: [null], note: [null] };
    expect(await ask('/push', { push_source_name: 'ratings', df: row })).toEqual([200, '']);
    const of = async (query: string): Promise<unknown> => {
      const body = { features: ['rating:latest_stars'], entities: { driver: [7, 8, 9] }, at: START + 2 * HOUR };
      const reply = (await (await trips.post(`/get-online-features${query}`, body)).json()) as OnlineReply;
      const { values, statuses } = reply.results[1] as OnlineReply['results'][number];
      return { values, statuses, metadata: Object.keys(reply.metadata) };
    };
    const mended = {
      values: [null, null, null],
      statuses: ['OUTSIDE_MAX_AGE', 'OUTSIDE_MAX_AGE', 'NOT_FOUND'],
      metadata: ['feature_names', 'positions'],
    };
    expect(await of('')).toEqual(mended);
    expect(await of('?compat=mended')).toEqual(mended);
    expect(await of('?compat=strict')).toEqual({
      values: [4, null, null],
      statuses: ['PRESENT', 'PRESENT', 'NOT_FOUND'],
      metadata: ['feature_names'],
    });
    const wrong = { features: ['rating:latest_stars'], entities: { driver: ['x'] } };
    expect((await ask('/get-online-features', wrong))[0]).toBe(422);
    expect((await ask('/get-online-features?compat=strict', wrong))[0]).toBe(500);
    expect((await ask('/get-online-features?compat=lax', wrong))[0]).toBe(422);
    expect((await ask('/push?compat=strict', { push_source_name: 'ratings', df: { driver: [1] } }))[0]).toBe(500);
  });

  test('a definition that changes is served changed', async () => {
    const changed = LATEST.replace('ttl: 1h', 'ttl: 3h');
    expect((await trips.post('/api/v1/apply', changed, 'application/yaml')).status).toBe(200);
    await until(
      () => trips.online({ features: ['rating:latest_stars'], entities: { driver: [7] }, at: START + 2 * HOUR }),
      ({ results }) => results[1]?.statuses[0] === 'PRESENT',
    );
  });

  test('materializing comes back when the views hold what the log holds', async () => {
    const range = { start_ts: iso(0), end_ts: iso(60) };
    expect(await ask('/materialize', range)).toEqual([200, null]);
    expect(await ask('/materialize', { disable_event_timestamp: true, feature_views: ['rating'] })).toEqual([200, null]);
    expect(await ask('/materialize-incremental', { end_ts: iso(60), feature_views: null })).toEqual([200, null]);
    expect(await ask('/materialize-incremental?async=true', { end_ts: iso(60), feature_views: ['rating'] })).toEqual([
      202,
      { status: 'accepted', feature_views: ['rating'] },
    ]);
    expect(await ask('/materialize', { ...range, feature_views: ['none'] })).toEqual([
      404,
      expect.objectContaining({ class: 'FeatureViewNotFoundException' }),
    ]);
    expect(await ask('/materialize', { ...range, feature_views: ['rating_offline'] })).toEqual([
      422,
      expect.stringMatching(/not kept online/),
    ]);
    expect(await ask('/materialize', { start_ts: iso(60), end_ts: iso(60) })).toEqual([
      422,
      expect.stringMatching(/must be before end_ts/),
    ]);
    expect(await ask('/materialize', {})).toEqual([422, expect.stringMatching(/start_ts and end_ts are needed/)]);
    expect(await ask('/materialize-incremental', { end_ts: 'soon' })).toEqual([422, expect.stringMatching(/end_ts "soon" is no time/)]);
    expect(await ask('/materialize-incremental', {})).toEqual([422, { detail: [expect.objectContaining({ loc: ['body', 'end_ts'] })] }]);
  });
});
