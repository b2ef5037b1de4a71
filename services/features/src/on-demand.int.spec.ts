import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { migrate } from '@millrace/offline-store';
import { startRedis, type RedisEngine } from '@millrace/testing';
import { CALLS, EXPRESSIONS, NAMES, RESOURCES } from './testing/ride-checks.js';
import { KEYS, ridesService, type RidesService, type Row } from './testing/rides.js';
import { HOUR, START, until, type OnlineReply } from './testing/trips.js';

function show(value: unknown): string {
  return String(value);
}

describe.each(['LMDB', 'Redis'])('features computed on demand, on %s', (store) => {
  let rides: RidesService;
  let redis: RedisEngine | undefined;
  let spine: Row[];

  beforeAll(async () => {
    redis = store === 'Redis' ? await startRedis() : undefined;
    rides = await ridesService(7, redis ? { MILLRACE_REDIS_URL: redis.url } : {});
    await rides.sendRides(300);
    await apply(RESOURCES());
    await rides.built({ spine: { rows: [{ number: 0, city: '1', line: '23', asked: START }] } });
    // The first call's types are the columns'.
    spine = rides.spineOf(await rides.read(), 200).map((row, index) => ({ ...row, ...CALLS[index % CALLS.length] }));
  }, 120_000);
  afterAll(async () => {
    await rides.trips.stop();
    await redis?.stop();
  });

  const apply = async (text: string): Promise<{ name: string; version: number }[]> => {
    const response = await rides.trips.post('/api/v1/apply', text, 'application/yaml');
    const body = (await response.json()) as { documents: { name: string; version: number }[]; detail: string };
    if (response.status !== 200) throw new Error(JSON.stringify(body));
    return body.documents;
  };
  const columnsOf = (rows: readonly Row[], names: readonly string[]): Record<string, unknown[]> =>
    Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name])]));
  const FIELDS = ['distance', 'seats', 'ticket', 'note', 'booked', 'member'];
  const online = async (rows: readonly Row[], at: number, more: object = { feature_service: 'checked' }): Promise<OnlineReply> => {
    const text = await (
      await rides.trips.post('/get-online-features', { entities: columnsOf(rows, ['city', 'line', ...FIELDS]), at, ...more })
    ).text();
    // 64-bit integers are written whole.
    return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
        ? BigInt(context?.source ?? '')
        : value,
    ) as OnlineReply;
  };
  const valuesOf = (reply: OnlineReply): Record<string, unknown[]> =>
    Object.fromEntries(reply.metadata.feature_names.map((name, index) => [name, reply.results[index]?.values ?? []]));

  test('are in a training set what they are online, to the bit', async () => {
    const set = await rides.built({ featureService: 'checked', spine: { rows: spine } });
    const offline = await rides.rowsOf(set);
    expect(Object.keys(offline[0] ?? {})).toEqual(['number', 'city', 'line', 'asked', ...FIELDS, ...NAMES, 'fare_now', 'is_group']);
    let values = 0;
    let nulls = 0;
    for (const [index, row] of spine.entries()) {
      if (row['city'] === null) continue;
      const reply = await online([row], Number(row['asked']));
      expect(reply.metadata.feature_names).toEqual(['city', 'line', ...NAMES, 'fare_now', 'is_group']);
      const told = valuesOf(reply);
      for (const name of [...NAMES, 'is_group']) {
        const want = rides.plain(offline[index]?.[name]);
        const got = told[name]?.[0] ?? null;
        const status = reply.results[reply.metadata.feature_names.indexOf(name)]?.statuses[0];
        if (status === 'INVALID') continue;
        // Feast's protocol has times in seconds; Parquet gives every Int64 as a bigint.
        const same = name === 'newest' && got !== null ? Number(got) * 1000 : typeof want === 'bigint' ? BigInt(got as number) : got;
        if (!Object.is(same, want)) throw new Error(`row ${index}, ${name}: online ${show(got)}, offline ${show(want)}`);
        expect(status).toBe(got === null ? 'NULL_VALUE' : 'PRESENT');
        if (got === null) nulls++;
        else values++;
      }
    }
    expect(values).toBeGreaterThan(500);
    expect(nulls).toBeGreaterThan(200);
  }, 60_000);

  test('come for many entities in one read, without the inputs that nobody asked for', async () => {
    const rows = KEYS.map(([city, line], index) => ({ city, line, ...CALLS[index] }));
    const at = START + 20 * HOUR;
    const reply = await online(rows, at, { features: ['ride_checks:per_km', 'ride_checks:sum64'] });
    expect(reply.metadata.feature_names).toEqual(['city', 'line', 'per_km', 'sum64']);
    const alone = await Promise.all(rows.map((row) => online([row], at)));
    for (const name of ['per_km', 'sum64']) expect(valuesOf(reply)[name]).toEqual(alone.map((one) => valuesOf(one)[name]?.[0]));
    // Only what the features use is read.
    expect(Object.keys(reply.metadata.positions).sort()).toEqual(['last_ride', 'rides_mixed']);
    const entities = columnsOf(rows, ['city', 'line', ...FIELDS]);
    const full = await rides.trips.online({
      features: ['ride_checks:per_km', 'last_ride:fare_now'],
      full_feature_names: true,
      at,
      entities,
    });
    expect(full.metadata.feature_names).toEqual(['city', 'line', 'ride_checks__per_km', 'last_ride__fare_now']);
  });

  test('an entity that nobody knows, and a value past its ttl, are null to the expression', async () => {
    const [call] = CALLS;
    const reply = await online([{ city: 'nowhere', line: '1', ...call }], START + 20 * HOUR);
    const statuses = Object.fromEntries(reply.metadata.feature_names.map((name, index) => [name, reply.results[index]?.statuses[0]]));
    expect(statuses).toMatchObject({ fare_now: 'NOT_FOUND', per_km: 'NULL_VALUE', sum64: 'PRESENT', label: 'PRESENT', waited: 'PRESENT' });
    expect(valuesOf(reply)).toMatchObject({ sum64: [9007199254740993n], label: ['ZÜRICH'] });
    const old = await online([{ city: '1', line: '23', ...call }], START + 90 * 24 * HOUR);
    expect(old.results[old.metadata.feature_names.indexOf('fare_now')]?.statuses).toEqual(['OUTSIDE_MAX_AGE']);
    expect(valuesOf(old)).toMatchObject({ per_km: [null], waited: [START + 90 * 24 * HOUR - Date.parse('2026-01-01T08:00:00Z')] });
  });

  test('those of the request alone need no entity', async () => {
    const reply = await rides.trips.online({ feature_service: 'request_only', entities: { seats: [4, 5, null] } });
    expect(reply.metadata.feature_names).toEqual(['is_group']);
    expect(reply.results[0]).toMatchObject({ values: [false, true, null], statuses: ['PRESENT', 'PRESENT', 'NULL_VALUE'] });
    const rows = await rides.rowsOf(
      await rides.built({ featureService: 'request_only', spine: { rows: [4, 5, null].map((seats) => ({ seats, asked: START })) } }),
    );
    expect(rows.map(({ is_group }) => is_group ?? null)).toEqual([false, true, null]);
  });

  test.each([
    [
      'a missing field',
      { distance: undefined, note: undefined },
      404,
      /request data source features \['distance', 'note'\] not found in the entity rows/,
    ],
    ['a field of another type', { distance: ['far'] }, 422, /Value 0 of request field distance is not Float32/],
    ['a fraction for a whole number', { seats: [1.5] }, 422, /Value 0 of request field seats is not Int32/],
    ['more values than entities', { seats: [1, 2] }, 422, /Request field seats has 2 values, another has 1/],
  ])('%s is refused and named', async (_what, wrong, status, message) => {
    const entities = { ...columnsOf([{ city: '1', line: '23', ...CALLS[0] }], ['city', 'line', ...FIELDS]), ...wrong };
    const response = await rides.trips.post('/get-online-features', { feature_service: 'checked', entities });
    expect([response.status, await response.text()]).toEqual([status, expect.stringMatching(message)]);
  });

  test.each<[string, (row: Row) => Row, RegExp]>([
    [
      'a missing column',
      ({ distance, ...row }) => ({ ...row, far: distance }),
      /the spine has no column distance \(Float32\), which feature view ride_checks takes from the request/,
    ],
    ['a value of another type', (row) => ({ ...row, seats: 1.5 }), /the spine's column seats has 1.5 in row 0, which is no Int32/],
    ['a column like a feature', (row) => ({ ...row, per_km: 1 }), /the spine has a column per_km, and so have the features/],
  ])('a spine with %s is refused and the column named', async (_what, change, message) => {
    const { body } = await rides.ask({ featureService: 'checked', spine: { rows: [change({ ...spine[0] })] } });
    expect(body).toMatchObject({ status: 'failed', error: expect.stringMatching(message) });
  });

  test('take the spine as a file, too: text, digits and times are what they are online', async () => {
    const quote = (value: unknown): string => (value === null ? '' : `"${show(value).replaceAll('"', '""')}"`);
    const names = ['number', 'city', 'line', 'asked', ...FIELDS];
    const rows = spine.filter(({ note, city }) => note !== '' && note !== null && city !== null);
    const csv = [names.join(','), ...rows.map((row) => names.map((name) => quote(row[name])).join(','))].join('\n');
    const byFile = await rides.rowsOf(await rides.built({ featureService: 'checked', spine: { csv } }));
    const byRows = await rides.rowsOf(await rides.built({ featureService: 'checked', spine: { rows } }));
    expect(byFile.map((row) => NAMES.map((name) => rides.plain(row[name])))).toEqual(
      byRows.map((row) => NAMES.map((name) => rides.plain(row[name]))),
    );
  });

  test('take the spine’s columns in the types that a query or a file gives them', async () => {
    const [call] = CALLS;
    const asked = { city: '1', line: '23', asked: START + 20 * HOUR };
    const typed = `SELECT '1' AS city, '23' AS line, ${asked.asked} AS asked, toFloat32(0.1) AS distance, toInt64(2) AS seats,
      toInt64(9007199254740993) AS ticket, toLowCardinality('Zürich') AS note, toDateTime64('2026-01-01 08:00:00.000999', 6, 'UTC') AS booked, toUInt8(1) AS member
      FROM (SELECT 1 FROM millrace.source_rides LIMIT 1)`;
    const bySql = await rides.rowsOf(await rides.built({ featureService: 'checked', spine: { sql: typed } }));
    const byRow = await rides.rowsOf(await rides.built({ featureService: 'checked', spine: { rows: [{ ...asked, ...call }] } }));
    expect(bySql.map((row) => NAMES.map((name) => rides.plain(row[name])))).toEqual(
      byRow.map((row) => NAMES.map((name) => rides.plain(row[name]))),
    );
  });

  test('a changed expression is a new version, and each is served as it was', async () => {
    const row = { city: '1', line: '23', ...CALLS[0] };
    const at = START + 20 * HOUR;
    const room = async (view: string): Promise<unknown> => valuesOf(await online([row], at, { features: [`${view}:room`] }))['room']?.[0];
    const before = Number(await room('ride_checks'));
    const changed = RESOURCES({ ...EXPRESSIONS, room: 'rides_1h * 4 - seats + 1000' });
    expect(await apply(changed)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'ride_checks', version: 2 }),
        expect.objectContaining({ name: 'checked', version: 2 }),
        expect.objectContaining({ name: 'of_request', version: 1 }),
      ]),
    );
    expect(await room('ride_checks')).toBe(before + 1000);
    // Version 1 of the view rests on version 1 of what it reads, which nobody serves until a service names it.
    const pinned = `apiVersion: millrace.dev/v1\nkind: FeatureService\nmetadata: {name: pinned}\nspec: {features: ["ride_checks@1:room", "ride_checks@2:waited"]}`;
    await apply(pinned);
    const reply = await until(
      async () => {
        const body = { feature_service: 'pinned', entities: columnsOf([row], ['city', 'line', ...FIELDS]), at };
        const response = await rides.trips.post('/get-online-features', body);
        return response.status === 200 ? ((await response.json()) as OnlineReply) : undefined;
      },
      (found) => found?.results[2]?.values[0] === before,
    );
    expect(reply?.metadata.feature_names).toEqual(['city', 'line', 'room', 'waited']);
    expect(Object.keys(reply?.metadata.positions ?? {})).toEqual(['rides_mixed@1']);
    const rows = await rides.rowsOf(await rides.built({ featureService: 'pinned', spine: { rows: [{ ...row, asked: at }] } }));
    expect(rows.map((one) => Number(one['room']))).toEqual([before]);
  });

  test('a changed input is a new version of what is computed from it, and the old one keeps what it read', async () => {
    const resources = (window: string): string => `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: ride_counts}
spec: {entity: spot, source: rides, features: [{name: rides, aggregate: count, window: ${window}}]}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: crowd}
spec: {inputs: [ride_counts], request: {seats: Int32}, features: [{name: crowd, expression: rides * 100 + seats}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: crowds}
spec: {features: [crowd, "ride_counts:rides"]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: crowds_before}
spec: {features: ["crowd@1"]}
`;
    const at = START + 48 * HOUR;
    const ask = async (service: string): Promise<unknown[] | undefined> => {
      const entities = { city: ['1'], line: ['23'], seats: [7] };
      const response = await rides.trips.post('/get-online-features', { feature_service: service, entities, at });
      if (response.status !== 200) return undefined;
      return ((await response.json()) as OnlineReply).results.slice(2).map(({ values }) => values[0]);
    };
    // A view that is being filled counts what it has so far.
    const filled = (views: readonly string[]): Promise<unknown> =>
      until(
        async () => (await (await rides.trips.get('/api/v1/sources/rides')).json()) as { lag: number; views: { view: string }[] },
        (status) => status.lag === 0 && views.every((name) => status.views.some(({ view }) => view === name)),
      );
    await apply(resources('1h').split('---').slice(0, 3).join('---'));
    await filled(['ride_counts']);
    const before = await until(
      () => ask('crowds'),
      (found) => typeof found?.[1] === 'number',
    );
    const applied = await apply(resources('30d'));
    expect(applied.map(({ name, version }) => `${name}@${version}`)).toEqual(['ride_counts@2', 'crowd@2', 'crowds@2', 'crowds_before@1']);
    await filled(['ride_counts', 'ride_counts@1']);
    const now = await until(
      () => ask('crowds'),
      (found) => typeof found?.[1] === 'number' && found[1] !== before?.[1],
    );
    expect(Number(now?.[1])).toBeGreaterThan(Number(before?.[1]));
    expect(now?.[0]).toBe(Number(now?.[1]) * 100 + 7);
    const old = await until(
      () => ask('crowds_before'),
      (found) => typeof found?.[0] === 'number',
    );
    expect(old?.[0]).toBe(Number(before?.[1]) * 100 + 7);
    for (const [service, crowd] of [
      ['crowds', now?.[0]],
      ['crowds_before', old?.[0]],
      ['crowds@1', before?.[0]],
    ] as const) {
      const set = await rides.built({ featureService: service, spine: { rows: [{ city: '1', line: '23', seats: 7, asked: at }] } });
      expect((await rides.rowsOf(set)).map((row) => Number(row['crowd']))).toEqual([crowd]);
    }
  });

  test.each([
    ['/materialize-incremental', { end_ts: '2026-01-01T00:00:00Z', feature_views: ['ride_checks'] }],
    ['/write-to-online-store', { feature_view_name: 'ride_checks', df: { city: ['1'] } }],
  ])('%s has nothing of them to keep', async (path, body) => {
    const response = await rides.trips.post(path, body);
    expect([response.status, await response.text()]).toEqual([
      422,
      expect.stringMatching(/ride_checks is computed on demand and keeps nothing/),
    ]);
  });

  test('a view that they read is not deleted', async () => {
    const response = await fetch(`${rides.trips.service.url}/api/v1/resources/FeatureView/any_ride`, { method: 'DELETE' });
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      code: 'MR_RESOURCES_IN_USE',
      detail: 'FeatureView/any_ride is used by FeatureView/ride_checks, FeatureService/both; delete or change them first',
    });
  });

  test('are verified with what the request brought: none differs, and one that was tampered with is found', async () => {
    const { offline } = rides.trips.service.host;
    await migrate(offline, { name: 'inference', directory: new URL('../../inference/src/migrations/', import.meta.url) });
    const versions = await versionsOf();
    const rows: Record<string, unknown>[] = [];
    for (const [index, row] of spine
      .filter(({ city }) => city !== null)
      .slice(0, 60)
      .entries()) {
      const reply = await online([row], Number(row['asked']));
      if (reply.results.some(({ statuses }) => statuses[0] === 'INVALID')) continue;
      const told = valuesOf(reply);
      const { city, line, booked, ...request } = row;
      // As the gateway writes it: times in milliseconds, 64-bit integers that a double does not hold as text.
      const plain = (name: string, value: unknown): unknown =>
        name === 'newest' && value !== null ? Math.round(Number(value) * 1000) : typeof value === 'bigint' ? value.toString() : value;
      const asBool = (value: unknown): unknown => (typeof value === 'boolean' ? Number(value) : value);
      const features = [...NAMES, 'fare_now', 'is_group'].map((name) => [name, asBool(plain(name, told[name]?.[0] ?? null))]);
      rows.push({
        _topic: 'millrace.inference.predictions',
        _partition: 0,
        _offset: index,
        _row: 0,
        prediction_id: `p${index}`,
        row: 0,
        time: '2026-02-02 00:00:00.000',
        deployment: 'right',
        feature_service: 'checked',
        feature_time: new Date(Number(row['asked'])).toISOString(),
        entity: JSON.stringify({ city, line }),
        request: JSON.stringify({
          ...request,
          distance: request['distance'] === null ? null : Math.fround(Number(request['distance'])),
          booked: booked === null ? null : Date.parse(show(booked)),
        }),
        features: JSON.stringify(Object.fromEntries(features)),
        feature_positions: JSON.stringify(reply.metadata.positions),
        feature_versions: JSON.stringify(versions),
      });
    }
    const [first] = rows as [Record<string, unknown>];
    const tampered = { ...first, _offset: 1_000, prediction_id: 'tampered', deployment: 'wrong' };
    const features = { ...(JSON.parse(String(first['features'])) as object), waited: 1 };
    const other = {
      ...first,
      _offset: 1_001,
      prediction_id: 'other',
      deployment: 'other',
      feature_versions: JSON.stringify({ ...versions, ride_checks: 'x' }),
    };
    await offline.insert('millrace.predictions', [...rows, { ...tampered, features: JSON.stringify(features) }, other], 'served');
    const verify = async (body: object): Promise<Row> => (await (await rides.trips.post('/api/v1/features/verify', body)).json()) as Row;
    expect(await verify({ deployment: 'right' })).toMatchObject({ compared: rows.length, mismatches: 0, unverifiable: {}, examples: [] });
    expect(await verify({})).toMatchObject({
      compared: rows.length + 1,
      mismatches: 1,
      unverifiable: { 'the definition by which feature view ride_checks was served is not in the log': 1 },
      features: expect.arrayContaining([{ view: 'ride_checks', feature: 'waited', compared: rows.length + 1, mismatches: 1 }]),
      examples: [expect.objectContaining({ predictionId: 'tampered', view: 'ride_checks', feature: 'waited', served: 1 })],
    });
    expect(rows.length).toBeGreaterThan(20);
    const statistics = async (
      of: string,
    ): Promise<{ status: number; detail?: string; features: { series: { population: number }[] }[] }> => {
      const reply = await rides.trips.get(`/api/v1/features/statistics?view=ride_checks&feature=waited&of=${of}`);
      return { ...((await reply.json()) as { features: [] }), status: reply.status };
    };
    const served = (await statistics('served')).features[0]?.series ?? [];
    expect(served.reduce((sum, { population }) => sum + population, 0)).toBeGreaterThanOrEqual(rows.length);
    expect(await statistics('events')).toMatchObject({
      status: 400,
      detail: 'of: view ride_checks is computed on demand and has no values at the times of events; ask for of=served',
    });
  }, 60_000);

  /** As the gateway knows them, which a training set names too. */
  async function versionsOf(): Promise<Record<string, string>> {
    const { body } = await rides.ask({ featureService: 'checked', spine: { rows: [{ ...spine[0] }] } });
    return (body as unknown as { versions: Record<string, string> }).versions;
  }
});
