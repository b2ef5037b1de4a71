import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { LogRecord } from '@millrace/event-log';
import { randomUUID } from 'node:crypto';
import { ridesService, type RidesService, type TrainingSet } from './testing/rides.js';
import { until } from './testing/trips.js';

const TOPIC = 'millrace.features.decisions';
/** One of each type that is written otherwise than it is held, beside some that are not. */
const SQL = `SELECT number, if(number = 2, NULL, '1') AS city, '23' AS line, toDateTime64(number, 3, 'UTC') AS asked, CAST('rain' AS Enum8('dry' = 1, 'rain' = 2)) AS weather,
  toIPv4('10.0.0.1') AS host, toIPv6('::1') AS far, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS device, toInt256(-1) AS long, toUInt128(7) AS wide, toTime64('13:45:01.5', 3) AS shift,
  [toIPv4('10.0.0.2'), NULL] AS hops, map('a', toDate('2026-01-01')) AS days, (1, 'b')::Tuple(n UInt8, t String) AS pair, toDecimal64('1.50', 2) AS price, toFloat32(0.1) AS share, true AS yes
  FROM numbers(3)`;

let rides: RidesService;
beforeAll(async () => {
  rides = await ridesService(3);
}, 120_000);
afterAll(() => rides.trips.stop());

async function shown(id: string): Promise<TrainingSet & { format: number; code?: string }> {
  return (await (await rides.trips.get(`/api/v1/training-sets/${id}`)).json()) as TrainingSet & { format: number };
}

/** Writes the decisions of a set again under another id, as a release before the third format did. */
async function left(set: TrainingSet, id: string, types: readonly string[]): Promise<void> {
  const { log } = rides.trips.service.host;
  const found: LogRecord[] = [];
  for (const [partition] of (await log.end(TOPIC)).entries()) {
    for await (const record of log.read(TOPIC, partition, 0))
      if (record.headers['ce_subject'] === `training-set/${set.id}`) found.push(record);
  }
  for (const [index, type] of types.entries()) {
    const record = found.find(({ headers }) => headers['ce_type'] === `millrace.features.${type}.v1`) as LogRecord;
    const { format: _format, ...data } = JSON.parse(record.value.toString().replaceAll(set.id, id)) as Record<string, unknown>;
    const named = { ce_subject: `training-set/${id}`, ce_id: randomUUID(), ce_commandid: randomUUID(), ce_sequence: String(index + 1) };
    const value = Buffer.from(JSON.stringify(data));
    await log.append([
      { topic: TOPIC, partition: record.partition, key: named.ce_subject, value, headers: { ...record.headers, ...named } },
    ]);
  }
}

test('the same request has the same bytes in every release of a format', async () => {
  const set = await rides.built({ spine: { sql: SQL } });
  expect(await shown(set.id)).toMatchObject({ format: 3 });
  // Other bytes than these under ids of before: add one to TRAINING_SET_FORMAT, and write the new digest here.
  expect(set.sha256).toBe('f14f26a4f5df2eebbd29d81972458bf4d8b4a71f7dd429bcdb94615ade56c129');
});

test('sets of a former format are read and listed as they were, and asked for again get another id', async () => {
  const set = await rides.built({ spine: { sql: SQL } });
  const { artifacts } = rides.trips.service.host;
  const former = 'f0'.repeat(16);
  await artifacts.put(`training-sets/${former}/data.parquet`, await rides.bytesOf(set));
  const unbuilt = 'f1'.repeat(16);
  await left(set, former, ['TrainingSetRequested', 'TrainingSetBuilt']);
  await left(set, unbuilt, ['TrainingSetRequested']);
  await rides.trips.restart();
  expect(await shown(former)).toMatchObject({ id: former, status: 'built', format: 2, sha256: set.sha256 });
  expect((await rides.bytesOf({ ...set, id: former })).equals(await rides.bytesOf(set))).toBe(true);
  const { trainingSets } = (await (await rides.trips.get('/api/v1/training-sets')).json()) as { trainingSets: { id: string }[] };
  expect(trainingSets.map(({ id }) => id)).toEqual(expect.arrayContaining([set.id, former, unbuilt]));
  const failed = await until(
    () => shown(unbuilt),
    ({ status }) => status !== 'requested',
  );
  expect(failed).toMatchObject({
    ...{ status: 'failed', format: 2, code: 'MR_FEATURES_TRAINING_SET_FORMAT' },
    error: expect.stringMatching(/asked for in format 2 and is now written in format 3; request it again/) as unknown,
  });
});

test('the file of a set stays as it is when its table is made again', async () => {
  const set = await rides.built({ spine: { sql: SQL }, output: 'table' });
  const { artifacts, offline } = rides.trips.service.host;
  // What another engine would write is other bytes.
  const before = Buffer.alloc((await rides.bytesOf(set)).length, 'x');
  await artifacts.put(`training-sets/${set.id}/data.parquet`, before);
  await offline.command(`DROP TABLE ${set.table} SYNC`);
  await rides.built({ spine: { sql: SQL }, output: 'table' });
  const rows = await until(
    () => offline.query<{ rows: string }>(`SELECT count() AS rows FROM ${set.table}`).catch(() => []),
    (found) => found.length > 0,
  );
  expect(rows).toEqual([{ rows: '3' }]);
  expect((await rides.bytesOf(set)).equals(before)).toBe(true);
});
