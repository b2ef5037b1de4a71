import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TOPICS } from '@millrace/contracts';
import { HOUR, START, trip, TripsService, until } from './testing/trips.js';
import type { Verification } from './verification/verify-served.js';

const resources = (readLog: string): string => `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: crowd}
spec:
  inputs: ["city_fares:last_fare"]
  request: {seats: Int64, vip: Bool, asked: DateTime64(3), note: String}
  features:
    - {name: crowd, expression: "if(vip, seats * 2, seats) + last_fare"}
    - {name: hour, expression: "hour(asked)"}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: logged}
spec: {features: [city_fares, crowd, line_fares], request: {model_only: Int32}${readLog}}
`;

const ASKED = {
  entities: {
    city: ['Bern', 'Bern', 'Nowhere'],
    line: [9, 8, 9],
    seats: [7, '9007199254740993', 1],
    vip: [true, false, true],
    asked: ['2026-01-01T05:00:00Z', START, START],
    note: ['a', 'ü', ''],
  },
};

interface Row {
  readonly [column: string]: unknown;
}

describe('the log of reads', () => {
  let trips: TripsService;
  let position: string;
  beforeAll(async () => {
    trips = await TripsService.start({ MILLRACE_FEATURES_VERIFY_EVERY: '1s', MILLRACE_FEATURES_MAX_BUFFERED_VECTORS: '4' });
    await apply('');
    position = await trips.send([trip('a', 0, 1), trip('b', 70, 2.5), trip('c', 130, 1.25), trip('d', 140, 0.1, 'Zürich')]);
  }, 120_000);
  afterAll(() => trips.stop());

  const apply = async (readLog: string): Promise<{ outcome: string; version: number }> => {
    const response = await trips.post('/api/v1/apply', resources(readLog), 'application/yaml');
    const text = await response.text();
    if (response.status !== 200) throw new Error(text);
    const { applied, documents = applied } = JSON.parse(text) as { applied: Applied[]; documents: Applied[] };
    return documents.find(({ name }) => name === 'logged') as Applied;
  };
  interface Applied {
    readonly name: string;
    readonly outcome: string;
    readonly version: number;
  }
  const rows = (): Promise<Row[]> =>
    trips.service.host.offline.query<Row>('SELECT * FROM millrace.feature_reads FINAL ORDER BY time, read_id, row');
  const read = async (asked: object = {}, query = ''): Promise<Response> => {
    const body = { feature_service: 'logged', ...ASKED, at: START + 2 * HOUR, at_least: position, ...asked };
    const response = await trips.post(`/get-online-features${query}`, body);
    if (response.status !== 200) throw new Error(await response.text());
    return response;
  };
  const verify = async (body: object = {}): Promise<Verification> =>
    (await (await trips.post('/api/v1/features/verify', body)).json()) as Verification;

  test('has nothing of a service that does not ask for it, and asking makes no new version of it', async () => {
    await read();
    const { outcome, version } = await apply(', readLog: {}');
    expect([outcome, version]).toEqual(['configured', 1]);
    await read();
    const found = await until(rows, ({ length }) => length > 0);
    expect(found).toHaveLength(3);
  }, 60_000);

  test('has what was served, what came with the request, and what it rests on', async () => {
    const response = await read({ features: ['city_fares:last_fare'], full_feature_names: true });
    const id = response.headers.get('x-request-id');
    const mine = await until(
      async () => (await rows()).filter((row) => row['read_id'] === id),
      ({ length }) => length === 3,
    );
    const parsed = mine.map(({ entity, request, features, statuses }) =>
      [entity, request, features, statuses].map((text) => JSON.parse(text as string) as unknown),
    );
    expect(parsed[0]).toEqual([
      { city: 'Bern', line: 9 },
      { seats: 7, vip: 1, asked: START + 5 * HOUR, note: 'a' },
      { trips_1h: 1, fare_mean_1h: 2.5, last_fare: 2.5, crowd: 16.5, hour: 5, line_fare_max_1h: 2.5 },
      {},
    ]);
    expect(parsed[1]?.[1]).toMatchObject({ seats: '9007199254740993', note: 'ü' });
    expect(parsed[2]?.[3]).toMatchObject({ last_fare: 'NOT_FOUND' });
    const { metadata } = (await response.json()) as { metadata: { positions: object } };
    expect(mine[0]).toMatchObject({ feature_service: 'logged', service_version: 1, row: 0, ageless: false });
    expect(JSON.parse(mine[0]?.['feature_positions'] as string)).toEqual(metadata.positions);
    const view = await trips.service.host.offline.query<Row>(
      "SELECT feature, value, number, status FROM millrace.read_features WHERE read_id = {id:String} AND feature = 'last_fare' ORDER BY row",
      { id: id ?? '' },
    );
    expect(view).toEqual([
      { feature: 'last_fare', value: '2.5', number: 2.5, status: 'PRESENT' },
      { feature: 'last_fare', value: '2.5', number: 2.5, status: 'PRESENT' },
      { feature: 'last_fare', value: 'null', number: null, status: 'NOT_FOUND' },
    ]);
  });

  test('has nothing of features that are asked for one by one', async () => {
    const before = (await rows()).length;
    await read({ feature_service: null, features: ['city_fares'], entities: { city: ['Bern'] } });
    await read();
    expect(
      await until(
        async () => (await rows()).length,
        (length) => length > before,
      ),
    ).toBe(before + 3);
  });

  test('is verified, also of values past their ttl that were asked for, and of a version that was changed since', async () => {
    await read({ at: START + 9 * HOUR }, '?compat=strict');
    await read({ at: START + 9 * HOUR });
    const first = await until(
      () => verify({ featureService: 'logged' }),
      ({ compared }) => compared >= 15,
    );
    expect(first).toMatchObject({ mismatches: 0, unverifiable: {}, of: expect.stringContaining('readLog') });
    const ageless = (await rows()).filter((row) => row['ageless']);
    expect(ageless.map(({ features }) => (JSON.parse(features as string) as Row)['last_fare'])).toEqual([1.25, 1.25, null]);
    // Reads are of no deployment.
    expect((await trips.post('/api/v1/features/verify', { deployment: 'any' })).status).toBe(404);
    position = await trips.send([trip('late', 50, 9), trip('b', 70, 3.5)]);
    await read();
    const then = await until(
      () => verify(),
      ({ compared }) => compared > first.compared,
    );
    expect(then).toMatchObject({ compared: first.compared + 3, mismatches: 0, unverifiable: {} });
  }, 60_000);

  test('tells of a value that was served otherwise than the offline store has it', async () => {
    const [row] = (await rows()).slice(-3) as [Row];
    const features = { ...(JSON.parse(row['features'] as string) as Row), last_fare: 1000 };
    const wrong = { ...row, read_id: 'wrong', _offset: 999_999, features: JSON.stringify(features) };
    await trips.service.host.offline.insert('millrace.feature_reads', [wrong], 'wrong');
    const { mismatches, examples } = await verify();
    expect(mismatches).toBe(1);
    expect(examples).toMatchObject([{ readId: 'wrong', view: 'city_fares', feature: 'last_fare', served: 1000, recomputed: 3.5 }]);
  });

  test('has a share of the requests, told by their ids', async () => {
    expect(await apply(', readLog: {sample: 0.5}')).toMatchObject({ outcome: 'configured', version: 1 });
    const before = (await rows()).length;
    const shedBefore = await shed();
    const asked: boolean[] = [];
    for (let count = 0; count < 40; count++) {
      const id =
        (
          await read({ entities: Object.fromEntries(Object.entries(ASKED.entities).map(([name, [value]]) => [name, [value]])) })
        ).headers.get('x-request-id') ?? '';
      asked.push(Number.parseInt(id.slice(-8), 16) / 2 ** 32 < 0.5);
      await new Promise(setImmediate);
    }
    const taken = asked.filter(Boolean).length;
    expect([taken > 5, taken < 35]).toEqual([true, true]);
    const logged = await until(
      async () => (await rows()).length - before + (await shed()) - shedBefore,
      (count) => count >= taken,
    );
    expect(logged).toBe(taken);
  }, 60_000);

  test('keeps no read waiting while the log is away, and counts what finds no room', async () => {
    await apply(', readLog: {sample: 1}');
    const before = await shed();
    const { log } = trips.service.host;
    const append = log.append.bind(log);
    log.append = (records) =>
      records.some(({ topic }) => topic === TOPICS.featureReads.name) ? Promise.reject(new Error('away')) : append(records);
    const length = (await rows()).length;
    for (let count = 0; count < 4; count++) await read();
    expect((await shed()) - before).toBe(6);
    log.append = append;
    expect(
      await until(
        async () => (await rows()).length,
        (now) => now >= length + 6,
      ),
    ).toBe(length + 6);
  }, 60_000);

  test('leaves out what its service says, and is verified as far as it is recorded, whatever is left out later', async () => {
    const logged = async (redact: string): Promise<object[]> => {
      expect(await apply(`, readLog: {redact: [${redact}]}`)).toMatchObject({ outcome: 'configured', version: 1 });
      const id = (await read()).headers.get('x-request-id');
      const mine = await until(
        async () => (await rows()).filter((row) => row['read_id'] === id),
        ({ length }) => length === 3,
      );
      return mine.map(({ entity, request, features, statuses }) =>
        Object.fromEntries(
          [entity, request, features, statuses].flatMap((text) => Object.entries((JSON.parse(text as string) ?? {}) as Row)),
        ),
      );
    };
    const before = await verify();
    const [first, , third] = await logged('"city_fares:last_fare", line_fares__line_fare_max_1h');
    expect(Object.keys(first ?? {})).toEqual([
      'city',
      'line',
      'seats',
      'vip',
      'asked',
      'note',
      'trips_1h',
      'fare_mean_1h',
      'crowd',
      'hour',
    ]);
    expect(third).not.toHaveProperty('last_fare');
    const then = await verify();
    expect(then).toMatchObject({ compared: before.compared + 3, mismatches: before.mismatches, unverifiable: {} });
    const features = new Map(before.features.map(({ feature, compared }) => [feature, compared]));
    const more = then.features.map(({ feature, compared }) => [feature, compared - (features.get(feature) ?? 0)]);
    expect(Object.fromEntries(more)).toMatchObject({ last_fare: 0, line_fare_max_1h: 0, trips_1h: 3, crowd: 3 });
    // What names an entity is what a vector is recomputed by.
    expect(await logged('city')).toEqual([expect.not.objectContaining({ city: 'Bern' }), expect.anything(), expect.anything()]);
    const reason = 'what it was made from is left out of its record (readLog.redact of its feature service)';
    expect(await verify()).toMatchObject({ compared: then.compared, mismatches: before.mismatches, unverifiable: { [reason]: 3 } });
    expect(await logged('"*"')).toEqual([{}, {}, {}]);
    expect(await verify()).toMatchObject({ mismatches: before.mismatches, unverifiable: { [reason]: expect.any(Number) } });
    const wrong = await trips.post('/api/v1/apply', resources(', readLog: {redact: ["city_fares:fares"]}'), 'application/yaml');
    expect([wrong.status, await wrong.text()]).toEqual([422, expect.stringContaining('spec.readLog.redact[0]')]);
  }, 60_000);

  const shed = async (): Promise<number> => {
    const text = await (await trips.get('/metrics')).text();
    return Number(/^millrace_features_read_vectors_shed_total(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1] ?? 0);
  };
});
