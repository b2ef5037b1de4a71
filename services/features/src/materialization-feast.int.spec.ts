import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BatchService, counts } from './testing/batch.js';
import { HOUR, START, until } from './testing/trips.js';

const iso = (hours: number): string => new Date(START + hours * HOUR).toISOString();

const resources = (name: string, schedule: string): string => `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: ${name}}
spec:
  table: lab.${name}
  key: driver
  eventTime: at
  eventId: id
  ${schedule}
  schema: {id: String, driver: Int64, at: DateTime64(3), stars: Float64}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: driver}
spec: {joinKeys: {driver: Int64}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: ${name}_view}
spec: {entity: driver, source: ${name}, features: [{name: stars, aggregate: last, column: stars}]}
`;

describe('materialization by a schedule and by Feast', () => {
  let service: BatchService;
  beforeAll(async () => {
    service = await BatchService.start();
    await service.command('CREATE DATABASE lab');
  }, 120_000);
  afterAll(() => service.remove());

  const make = (name: string): Promise<void> =>
    service.command(
      `CREATE TABLE lab.${name} (id String, driver Int64, at DateTime64(6, 'UTC'), stars Float32) ENGINE = MergeTree ORDER BY at`,
    );
  const insert = (name: string, id: string, hours: number, stars: number): Promise<void> =>
    service.command(`INSERT INTO lab.${name} VALUES ('${id}', 1, '${iso(hours).slice(0, 19)}', ${stars})`);
  const stars = async (name: string): Promise<unknown> =>
    (await service.online([`${name}_view:stars`], { driver: [1] }, START + 99 * HOUR))[1]?.[0];

  test('a schedule takes what is new, once for each stretch, and what is missed in one run', async () => {
    await make('rated');
    await insert('rated', 'a', 0, 1);
    await service.apply(resources('rated', 'schedule: {every: 2s, lookback: 10000d}'));
    await until(
      () => service.runs('rated'),
      ({ watermark }) => watermark !== null,
    );
    await service.caughtUp('rated');
    expect(await stars('rated')).toBe(1);
    await insert('rated', 'b', 1, 2);
    await until(
      () => stars('rated'),
      (value) => value === 2,
    );
    const { materializations: runs } = await until(
      () => service.runs('rated'),
      ({ materializations }) => materializations.reduce((sum, { rows }) => sum + rows.appended, 0) === 2,
    );
    expect(new Set(runs.map(({ to }) => to)).size).toBe(runs.length);
    for (const { to, rows } of runs) expect([Date.parse(to) % 2_000, rows.rejected]).toEqual([0, 0]);
    expect(runs.at(-1)).toMatchObject({ trigger: 'schedule', actor: 'features', from: null });

    await service.end();
    const before = Date.now();
    const begun = await until(
      () => Promise.resolve(Date.now()),
      (now) => now > before + 5_000,
    );
    await service.begin();
    const after = await until(
      () => service.runs('rated'),
      ({ materializations }) => materializations.some(({ to, status }) => Date.parse(to) > begun && status === 'finished'),
    );
    const times = after.materializations.map(({ to }) => Date.parse(to));
    expect(times.filter((to) => to > before && to <= begun).length).toBeLessThanOrEqual(1);
    await service.apply(resources('rated', ''));
    const { materializations: last } = await service.runs('rated');
    // Without a schedule it is the same definition, and nothing more is due.
    expect(new Set(last.map(({ version }) => version))).toEqual(new Set([1]));
  }, 120_000);

  test('Feast’s materialize reads the interval, with its end, and comes back when it can be read online', async () => {
    await make('scored');
    for (const [id, hours, value] of [
      ['a', 0, 1],
      ['b', 1, 2],
      ['c', 2, 3],
      ['d', 3, 4],
    ] as const)
      await insert('scored', id, hours, value);
    await service.apply(resources('scored', ''));
    const feast = (path: string, body: object): Promise<unknown[]> =>
      service.ask('POST', path, { feature_views: ['scored_view'], ...body });
    expect(await feast('/materialize', { start_ts: iso(1), end_ts: iso(2) })).toEqual([200, null]);
    expect(await stars('scored')).toBe(3);
    const [stored] = await service.sql<{ ids: string[] }>('SELECT arraySort(groupArray(id)) AS ids FROM millrace.source_scored');
    expect(stored?.ids).toEqual(['b', 'c']);
    expect(await feast('/materialize-incremental', { end_ts: iso(2) })).toEqual([200, null]);
    expect(await feast('/materialize-incremental', { end_ts: iso(3) })).toEqual([200, null]);
    expect(await stars('scored')).toBe(4);
    expect(await feast('/materialize?async=true', { disable_event_timestamp: true })).toEqual([
      202,
      { status: 'accepted', feature_views: ['scored_view'] },
    ]);
    await until(
      () => service.runs('scored'),
      ({ running, materializations }) => running === null && materializations.length === 3,
    );
    const { materializations } = await service.runs('scored');
    expect(materializations.map(counts)).toEqual([
      ['finished', 4, 1, 3, 0],
      ['finished', 1, 1, 0, 0],
      ['finished', 2, 2, 0, 0],
    ]);
    expect(await service.ask('POST', '/write-to-online-store', { feature_view_name: 'scored_view', df: {} })).toEqual([
      422,
      'Feature view scored_view is filled from the rows of source scored; materialize it',
    ]);
    await service.command('DROP TABLE lab.scored');
    expect(await feast('/materialize', { start_ts: iso(1), end_ts: iso(2) })).toEqual([
      422,
      expect.stringMatching(/^table lab.scored cannot be read/),
    ]);
  });

  test('Feast is told of a run that is under way, unless it forces one', async () => {
    const slow = resources('slow', '').replace(
      'table: lab.slow',
      `query: "SELECT 'a' AS id, 1 AS driver, now() - 60 AS at, 2.5 AS stars WHERE sleepEachRow(3) = 0"`,
    );
    await service.apply(slow);
    expect((await service.ask('POST', '/api/v1/sources/slow/materializations', {}))[0]).toBe(202);
    const ask = (query: string): Promise<unknown[]> =>
      service.ask('POST', `/materialize?${query}`, { feature_views: ['slow_view'], disable_event_timestamp: true });
    expect(await ask('async=true')).toEqual([409, expect.objectContaining({ feature_views: ['slow_view'] })]);
    expect(await ask('async=true&force=true')).toEqual([202, expect.anything()]);
    const runs = await until(
      () => service.runs('slow'),
      ({ running, materializations }) => running === null && materializations.length === 2,
    );
    expect(runs.materializations.map(counts)).toEqual([
      ['finished', 1, expect.any(Number), expect.any(Number), 0],
      ['finished', 1, 1, 0, 0],
    ]);
  });
});
