import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { HOUR, ndjson, START, trip, TripsService, until, type OnlineReply } from './testing/trips.js';

describe('the features service on the embedded log and stores', () => {
  let trips: TripsService;
  beforeAll(async () => {
    trips = await TripsService.start();
  });
  afterAll(() => trips.stop());

  const post: TripsService['post'] = (...request) => trips.post(...request);
  const online: TripsService['online'] = (request) => trips.online(request);
  let position = '';

  test('takes events as NDJSON, tells which lines are none, and where the others are', async () => {
    const lines = [
      JSON.stringify(trip('a', 0, 2.5)),
      JSON.stringify(trip('b', 10, 0.1)),
      '',
      '{"id": "c"',
      JSON.stringify({ ...trip('d', 10, 1), fare: 'much' }),
      JSON.stringify({ ...trip('e', 10, 1), at: '2126-01-01T00:00:00Z' }),
      JSON.stringify(trip('f', 20, 0.2, 'Zürich', 3)),
    ];
    const response = await post('/api/v1/sources/trips/events', lines.join('\n'), 'application/x-ndjson');
    const reply = (await response.json()) as { accepted: number; rejected: { line: number; reason: string }[]; position: string[] };
    expect(response.status).toBe(207);
    expect(reply.accepted).toBe(3);
    expect(reply.rejected).toEqual([
      { line: 4, reason: expect.stringMatching(/not JSON/) },
      { line: 5, reason: 'field fare is "much"; it must be Float64' },
      { line: 6, reason: expect.stringMatching(/field at is 2126-01-01T00:00:00.000Z, too far after/) },
    ]);
    position = response.headers.get('millrace-position') ?? '';
    expect(position).toBe(reply.position.join(','));
  });

  test('answers as Feast does, column by column, once the position asked for is applied', async () => {
    const reply = await online({
      feature_service: 'fares',
      entities: { city: ['Bern', 'Zürich', 'Nowhere'], line: [9, '3', 9.0], unknown: [1] },
      at: START + HOUR,
      at_least: position,
    });
    expect(reply.metadata.feature_names).toEqual(['city', 'line', 'trips_1h', 'fare_mean_1h', 'last_fare', 'line_fare_max_1h']);
    const stamp = (minutes: number) => new Date(START + minutes * 60_000).toISOString().replace('.000', '');
    expect(reply.results).toEqual([
      {
        values: ['Bern', 'Zürich', 'Nowhere'],
        statuses: ['PRESENT', 'PRESENT', 'PRESENT'],
        event_timestamps: Array(3).fill(stamp(-START / 60_000)),
      },
      { values: [9, 3, 9], statuses: ['PRESENT', 'PRESENT', 'PRESENT'], event_timestamps: expect.anything() },
      {
        values: [2, 1, null],
        statuses: ['PRESENT', 'PRESENT', 'NOT_FOUND'],
        event_timestamps: [stamp(10), stamp(20), '1970-01-01T00:00:00Z'],
      },
      { values: [(2.5 + 0.1) / 2, 0.2, null], statuses: ['PRESENT', 'PRESENT', 'NOT_FOUND'], event_timestamps: expect.anything() },
      { values: [0.1, 0.2, null], statuses: ['PRESENT', 'PRESENT', 'NOT_FOUND'], event_timestamps: expect.anything() },
      { values: [2.5, 0.2, null], statuses: ['PRESENT', 'PRESENT', 'NOT_FOUND'], event_timestamps: expect.anything() },
    ]);
    const late = await online({
      features: ['city_fares:last_fare', 'city_fares:fare_mean_1h', 'city_fares:trips_1h'],
      entities: { place: ['Bern'] },
      at: START + 3 * HOUR,
    });
    expect(late.results.map(({ values, statuses }) => [values[0], statuses[0]])).toEqual([
      ['Bern', 'PRESENT'],
      [null, 'OUTSIDE_MAX_AGE'],
      [null, 'NULL_VALUE'],
      [0, 'PRESENT'],
    ]);
  });

  test('says what is wrong as Feast’s client can read it', async () => {
    const refusal = async (request: unknown): Promise<unknown[]> => {
      const response = await post('/get-online-features', typeof request === 'string' ? request : JSON.stringify(request));
      const body: unknown = await response.json();
      return [response.status, typeof body === 'string' && body.startsWith('{') ? (JSON.parse(body) as unknown) : body];
    };
    const entities = { city: ['Bern'] };
    expect(await refusal({ entities, features: ['nothing:x'] })).toEqual([
      404,
      { module: 'feast.errors', class: 'FeatureViewNotFoundException', message: 'Feature view nothing does not exist' },
    ]);
    expect(await refusal({ entities, feature_service: 'none' })).toEqual([
      404,
      expect.objectContaining({ class: 'FeatureServiceNotFoundException' }),
    ]);
    expect(await refusal({ entities, features: ['city_fares:x'] })).toEqual([
      404,
      expect.objectContaining({ class: 'FeastObjectNotFoundException' }),
    ]);
    expect(await refusal({ entities, features: ['city_fares:last_fare', 'city_fares:last_fare'] })).toEqual([
      422,
      expect.objectContaining({ class: 'FeatureNameCollisionError' }),
    ]);
    expect(await refusal({ entities, features: ['line_fares:line_fare_max_1h'] })).toEqual([422, 'Join key line is missing from entities']);
    expect(await refusal({ entities: { city: [null] }, features: ['city_fares:last_fare'] })).toEqual([
      422,
      'Value 0 of join key city is not String',
    ]);
    expect(await refusal({ features: ['city_fares:last_fare'] })).toEqual([
      422,
      { detail: [expect.objectContaining({ type: 'missing', loc: ['body', 'entities'], msg: 'Field required' })] },
    ]);
    expect(await refusal('{')).toEqual([422, { detail: [expect.objectContaining({ type: 'json_invalid' })] }]);
    expect(await refusal({ entities, features: ['city_fares:last_fare'], at_least: 'others/0@1' })).toEqual([
      422,
      expect.stringMatching(/not a position of a source/),
    ]);
  });

  test('an event sent again counts once, a corrected one counts as corrected, a late one counts', async () => {
    const again = [trip('a', 0, 2.5), trip('b', 10, 1.1), trip('late', 5, 4)];
    const response = await post('/api/v1/sources/trips/events', ndjson(again), 'application/x-ndjson');
    expect(response.status).toBe(200);
    const reply = await online({
      features: ['city_fares:trips_1h', 'city_fares:fare_mean_1h', 'city_fares:last_fare'],
      entities: { city: ['Bern'] },
      at: START + HOUR,
      at_least: response.headers.get('millrace-position'),
    });
    expect(reply.results.slice(1).map(({ values }) => values[0])).toEqual([3, (2.5 + 4 + 1.1) / 3, 1.1]);
  });

  test('takes a CloudEvents batch and a JSON array, and all or none when asked to', async () => {
    const { id, ...data } = trip('cloud', 30, 7, 'Basel', 1);
    const event = { specversion: '1.0', id, source: '/trams', type: 'trip', data };
    const batch = await post(
      '/api/v1/sources/trips/events',
      [event, { ...event, id: 'worse', data: 5 }],
      'application/cloudevents-batch+json',
    );
    expect([batch.status, await batch.json()]).toEqual([
      207,
      expect.objectContaining({ accepted: 1, rejected: [{ line: 2, reason: 'data must be a JSON object' }] }),
    ]);
    const mixed = [trip('x1', 31, 8, 'Basel', 1), { nothing: true }];
    const atomic = await post('/api/v1/sources/trips/events?atomic=true', mixed);
    expect([atomic.status, ((await atomic.json()) as { accepted: number }).accepted]).toEqual([422, 0]);
    for (const query of ['atomic=yes', 'atomic=', 'atomc=true', 'atomic=true&atomic=false']) {
      const other = await post(`/api/v1/sources/trips/events?${query}`, mixed);
      expect([other.status, await other.json()]).toEqual([
        400,
        expect.objectContaining({ detail: expect.stringContaining('true or false') }),
      ]);
    }
    const whole = await post('/api/v1/sources/trips/events?atomic=true', [mixed[0] as object]);
    expect(whole.status).toBe(200);
    const reply = await online({
      features: ['city_fares:trips_1h'],
      entities: { city: ['Basel'] },
      at: START + HOUR,
      at_least: whole.headers.get('millrace-position'),
    });
    expect(reply.results[1]!.values).toEqual([2]);
    expect((await post('/api/v1/sources/nothing/events', '', 'application/x-ndjson')).status).toBe(404);
    expect((await post('/api/v1/sources/trips/events', '', 'application/x-ndjson')).status).toBe(200);
    expect((await post('/api/v1/sources/trips/events', 'x', 'text/html')).status).toBe(415);
  });

  test('shows how far each view is', async () => {
    const status = (await (await fetch(`${trips.service.url}/api/v1/sources/trips`)).json()) as {
      lag: number;
      table: string;
      views: { view: string; lag: number }[];
    };
    expect(status).toMatchObject({
      lag: 0,
      table: 'millrace.source_trips',
      views: [
        { view: 'city_fares', lag: 0 },
        { view: 'line_fares', lag: 0 },
      ],
    });
    expect((await fetch(`${trips.service.url}/api/v1/sources/none`)).status).toBe(404);
  });

  test('the table holds the events as they were counted', async () => {
    const { offline } = trips.service.host;
    const running = async () =>
      offline.query<{ id: string; fare: number; at: string }>(
        'SELECT id, fare, toString(at) AS at FROM millrace.source_trips ORDER BY _partition, _offset',
      );
    const rows = await until(running, (found) => found.length >= 8);
    expect(rows).toHaveLength(8);
    expect(rows.find((row) => row.id === 'cloud')).toEqual({ id: 'cloud', fare: 7, at: '2026-01-01 00:30:00.000' });
  });

  test('a view added to a source with history is brought up beside the others', async () => {
    const added = `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: city_totals}
spec:
  entity: place
  source: trips
  features: [{name: fares_total_6h, aggregate: sum, column: fare, window: 6h}]
`;
    expect((await post('/api/v1/apply', added, 'application/yaml')).status).toBe(200);
    const reply = await until(
      async () => {
        const response = await post('/get-online-features', {
          features: ['city_totals:fares_total_6h'],
          entities: { city: ['Bern'] },
          at: START + HOUR,
        });
        return response.status === 200 ? ((await response.json()) as OnlineReply) : undefined;
      },
      (found) => found?.results[1]?.values[0] === 2.5 + 4 + 1.1,
    );
    expect(reply?.results[1]?.statuses).toEqual(['PRESENT']);
  });

  test('an emptied online store is filled again with the same bytes', async () => {
    const { online: store } = trips.service.host;
    const bytes = async (): Promise<string> => {
      const lines: string[] = [];
      for await (const [key, value] of store.scan(Buffer.from('f'))) lines.push(`${key.toString('hex')} ${value.toString('hex')}`);
      return lines.join('\n');
    };
    const before = await bytes();
    await store.clear(Buffer.alloc(0));
    await until(bytes, (now) => now === before);
    expect((await post('/api/v1/sources/trips/events', ndjson([trip('after', 40, 1)]), 'application/x-ndjson')).status).toBe(200);
    await until(bytes, (now) => now !== before && now !== '');
  }, 30_000);
});
