import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ndjson, START, TripsService, until } from './testing/trips.js';

const METERS = (expectations: string): string => `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: meters}
spec:
  topic: meters
  eventTime: at
  partitions: 1
  schema: {at: DateTime64(3), site: String, watts: Nullable(Float64)}
  expectations: [${expectations}]
`;
const EXPECTED = '{column: watts, min: 0, max: 100}, {column: site, oneOf: [a, b]}, {column: watts, notNull: true, action: warn}';

interface Refused {
  readonly deadLetters: number;
  readonly recent: readonly { readonly kind: string; readonly count: number; readonly example: string }[];
}

describe('checks of a source', () => {
  let trips: TripsService;
  const apply = async (text: string): Promise<{ status: number; detail: string | undefined }> => {
    const response = await trips.post('/api/v1/apply', text, 'application/yaml');
    return { status: response.status, detail: ((await response.json()) as { detail?: string }).detail };
  };
  const send = async (events: readonly object[]) => {
    const response = await trips.post('/api/v1/sources/meters/events', ndjson(events), 'application/x-ndjson');
    const { accepted, rejected } = (await response.json()) as { accepted: number; rejected: { line: number; reason: string }[] };
    return { status: response.status, accepted, rejected: rejected.map(({ line, reason }) => `${line}: ${reason}`) };
  };
  const metric = async (name: string, labels: string): Promise<number> => {
    const text = await (await trips.get('/metrics')).text();
    const line = text.split('\n').find((one) => one.startsWith(`${name}{`) && labels.split(',').every((label) => one.includes(label)));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  const status = async (): Promise<Refused> => ((await (await trips.get('/api/v1/sources/meters')).json()) as { refused: Refused }).refused;
  const stored = async (): Promise<number> => {
    const [row] = await trips.service.host.offline.query<{ n: string }>('SELECT count() AS n FROM millrace.source_meters');
    return Number(row?.n);
  };
  const at = new Date(START).toISOString();

  beforeAll(async () => {
    trips = await TripsService.start({ MILLRACE_QUERY_DEADLINE: '2s' });
    expect(await apply(METERS(EXPECTED))).toMatchObject({ status: 200 });
  });
  afterAll(() => trips.stop());

  test('an event that is not as expected is refused at the door with the field and the bound, or taken and counted', async () => {
    expect(
      await send([
        { at, site: 'a', watts: 50 },
        { at, site: 'b', watts: 100.5 },
        { at, site: 'c', watts: 1 },
        { at, site: 'a', watts: null },
      ]),
    ).toEqual({
      status: 207,
      accepted: 2,
      rejected: ['2: field watts is 100.5; at most 100 is expected', '3: field site is "c"; that is none of the expected values'],
    });
    await until(stored, (rows) => rows === 2);
    expect(await metric('millrace_features_rejected_events_total', 'source="meters",via="http",reason="watts is not as expected"')).toBe(1);
    expect(await metric('millrace_features_unexpected_events_total', 'source="meters",column="watts"')).toBe(1);
    expect(await status()).toEqual({ deadLetters: 0, recent: [] });
  });

  test('what a producer puts on the topic itself counts; what is no event is a dead letter, and the status tells of what kind', async () => {
    const put = (value: unknown) => ({
      topic: 'meters',
      key: null,
      partition: 0,
      value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    });
    await trips.service.host.log.append(
      [{ at, site: 'c', watts: 999 }, { at, watts: 1 }, { at, site: 'a', watts: 'many' }, { at, site: 'a', watts: 'few' }, '{'].map(put),
    );
    await until(status, (refused) => refused.deadLetters === 4);
    await until(stored, (rows) => rows === 3);
    expect((await status()).recent.map(({ kind, count, example }) => [kind, count, example])).toEqual([
      ['watts is no Float64', 2, 'field watts is "few"; it must be Float64'],
      ['no JSON', 1, expect.stringContaining('JSON')],
      ['site is missing', 1, 'field site is missing; it must be String'],
    ]);
    expect(await metric('millrace_features_rejected_events_total', 'via="log",reason="watts is no Float64"')).toBe(2);
    expect(await metric('millrace_features_unexpected_events_total', 'column="watts"')).toBe(2);
    expect(await metric('millrace_features_unexpected_events_total', 'column="site"')).toBe(1);
  });

  test('other expectations hold from then on, and make no new version of the source', async () => {
    expect((await apply(METERS('{column: watts, max: 2000}'))).status).toBe(200);
    const resource = await trips.get('/api/v1/resources/Source/meters');
    expect(await resource.json()).toMatchObject({ status: { version: 1 }, spec: { expectations: [{ column: 'watts', max: 2000 }] } });
    await until(
      () => send([{ at, site: 'z', watts: 1500 }]),
      ({ accepted }) => accepted === 1,
    );
    expect((await send([{ at, site: 'z', watts: 2001 }])).rejected).toEqual(['1: field watts is 2001; at most 2000 is expected']);
  });

  test('a column that may be null from now on is so in the table too', async () => {
    expect((await apply(METERS('').replace('site: String', 'site: Nullable(String)'))).status).toBe(200);
    await until(
      () => send([{ at, site: null, watts: 7 }]),
      ({ accepted }) => accepted === 1,
    );
    const stored = async (): Promise<object[]> =>
      trips.service.host.offline.query('SELECT site FROM millrace.source_meters WHERE watts = 7');
    expect(await until(stored, (rows) => rows.length > 0)).toEqual([{ site: null }]);
  });

  test('a column of another type has what there was of it in the table, and the one before is back with its type', async () => {
    const gauges = (type: string): string =>
      METERS('')
        .replace(/meters/g, 'gauges')
        .replace('watts: Nullable(Float64)', `watts: ${type}`);
    const sendTo = async (id: string, watts: unknown): Promise<void> => {
      const answer = await until(
        () => trips.post('/api/v1/sources/gauges/events', ndjson([{ at, site: id, watts }]), 'application/x-ndjson'),
        ({ status: sent }) => sent === 200,
      );
      expect(await answer.json()).toMatchObject({ accepted: 1 });
    };
    const rows = (): Promise<{ watts: unknown }[]> =>
      trips.service.host.offline.query('SELECT watts FROM millrace.source_gauges ORDER BY site');
    // Of the events from before there is what the new type can hold.
    const steps: [string, string, unknown, unknown[]][] = [
      ['Int32', 'a', 5, [5]],
      ['Float64', 'b', 1.5, [5, 1.5]],
      ['String', 'c', 'x', ['5', '1.5', 'x']],
      ['String', 'c7', '7', ['5', '1.5', 'x', '7']],
      ['Nullable(Int32)', 'd', null, [5, null, null, 7, null]],
      ['Float64', 'e', 2.5, [5, 1.5, 0, 7, 0, 2.5]],
      [
        'DateTime64(3)',
        'f',
        START,
        [5, 1.5, 0, 7, 0, 2.5].map((seconds) => new Date(seconds * 1000).toISOString().slice(0, -1).replace('T', ' ')),
      ],
    ];
    for (const [type, id, watts, expected] of steps) {
      expect((await apply(gauges(type))).status).toBe(200);
      await sendTo(id, watts);
      expect((await until(rows, (found) => found.length === expected.length)).map((row) => row.watts)).toEqual(expected);
    }
  });

  test('a key without events yet gets another type with another topic, as the refusal advises, and the source takes events', async () => {
    const posts = (key: string, topic: string, type: string): string =>
      METERS('')
        .replace(/name: meters/, 'name: posts')
        .replace('topic: meters', `topic: ${topic}${key}`)
        .replace('site: String', `site: ${type}`);
    expect((await apply(posts('\n  key: site', 'posts', 'String'))).status).toBe(200);
    const refused = await apply(posts('', 'posts', 'Int32'));
    expect(refused).toMatchObject({ status: 422, detail: expect.stringContaining('as what was its key rests on it') });
    expect((await apply(posts('\n  key: site', 'posts_2', 'Int32'))).status).toBe(200);
    const answer = await until(
      () => trips.post('/api/v1/sources/posts/events', JSON.stringify({ at, site: 5, watts: 1 }), 'application/x-ndjson'),
      ({ status: sent }) => sent === 200,
    );
    expect(await answer.json()).toMatchObject({ accepted: 1 });
    const rows = (): Promise<object[]> => trips.service.host.offline.query('SELECT site FROM millrace.source_posts');
    expect(await until(rows, (found) => found.length > 0)).toEqual([{ site: 5 }]);
  });

  test('a source that cannot be started keeps no other from being started, and who sends to it is told in time', async () => {
    const source = (name: string, topic: string, partitions: number) =>
      METERS('')
        .replace('name: meters', `name: ${name}`)
        .replace('topic: meters', `topic: ${topic}`)
        .replace('partitions: 1', `partitions: ${partitions}`);
    // Its topic has one partition.
    expect((await apply(source('stuck', 'meters', 3))).status).toBe(200);
    const send = (name: string) =>
      trips.post(`/api/v1/sources/${name}/events`, JSON.stringify({ at, site: 'a', watts: 1 }), 'application/x-ndjson');
    const refused = await send('stuck');
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({
      code: 'MR_FEATURES_SOURCE_STARTING',
      detail: 'source stuck cannot be started: topic meters has 1 partitions, wanted are 3; the count is frozen, make a new topic',
    });
    await trips.restart();
    await until(
      () => trips.get('/readyz').then(({ status }) => status),
      (status) => status === 200,
    );
    expect((await apply(source('free', 'free', 1))).status).toBe(200);
    expect((await send('free')).status).toBe(200);
    await trips.service.host.offline.query('SELECT 1 FROM millrace.events_free LIMIT 1');
    await fetch(`${trips.service.url}/api/v1/resources/Source/stuck`, { method: 'DELETE' });
  });

  test('expectations that no value could meet are refused when they are applied', async () => {
    const told = async (expectation: string) => (await apply(METERS(expectation))).detail;
    expect(await told('{column: volts, min: 0}')).toContain('spec.expectations[0].column volts is not a column of the schema');
    expect(await told('{column: watts}')).toContain('expects nothing; it needs min, max, notNull or oneOf');
    expect(await told('{column: site, min: 0}')).toContain('spec.expectations[0].min is of numbers; column site is String');
    expect(await told('{column: watts, min: 5, max: 1}')).toContain('spec.expectations[0].max is less than min, 5');
    expect(await told('{column: site, notNull: true}')).toContain('column site is never null');
    expect(await told('{column: site, oneOf: [1]}')).toContain('spec.expectations[0].oneOf 1 is no String, as column site is');
    expect(await told('{column: at, oneOf: ["2026-01-01"]}')).toContain('spec.expectations[0].oneOf is not of times');
    expect(await told('{column: watts, least: 5}')).toContain('least');
  });
});
