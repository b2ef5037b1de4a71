import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ScratchTables, tableExists } from '@millrace/offline-store';
import type { TrainingSetRequested } from './domain/training-set/training-set.events.js';
import { latestOf, type Ride } from './testing/latest-oracle.js';
import { DAY, ridesService, type RidesService, type Row, type TrainingSet } from './testing/rides.js';
import { START } from './testing/trips.js';
import { buildTrainingSet } from './training-sets/build-training-set.js';
import { SeenEvents } from './training-sets/latest-events.js';
import { columnsOf, type ViewColumns } from './training-sets/view-columns.js';

describe('what a training set holds', () => {
  let rides: RidesService;
  let known: Ride[];
  let firstBatch: TrainingSet;
  let between: number;
  let lastPosition: string;

  beforeAll(async () => {
    rides = await ridesService(20_261_126);
    await rides.sendRides(400);
  }, 120_000);
  afterAll(() => rides.trips.stop());

  let spine: Row[];
  test('latest values are those of the oracle: edges of the ttl, ties, nulls, corrections, keys that look alike', async () => {
    // The first request makes the table hold everything.
    await rides.built({ spine: { rows: [{ number: 0, city: '1', line: '23', asked: START }] } });
    known = await rides.read();
    lastPosition = await rides.lastPosition();
    expect(known.length).toBe(400);
    spine = rides.spineOf(known, 1_500);
    firstBatch = await rides.built({ spine: { rows: spine } });
    const rows = await rides.rowsOf(firstBatch);
    rides.expectTruth(rows, spine, known);
    expect(rows.filter((row) => row['fare_now'] !== undefined && row['fare_now'] !== null).length).toBeGreaterThan(200);
  });

  test('what ClickHouse joins and what the engine computes is the same, view beside view', async () => {
    const rows = await rides.rowsOf(await rides.built({ featureService: 'both', spine: { rows: spine } }));
    rides.expectTruth(rows, spine, known);
    rides.expectTruth(rows, spine, known, (column) => `m_${column}`);
    for (const [index, row] of rows.entries()) {
      const { city, line, asked } = spine[index] as { city: string; line: string; asked: number };
      const found = latestOf(known, [city, line], asked, { ttl: 0, span: DAY });
      expect(rides.plain(row['fare_ever'])).toEqual(rides.plain(found?.values['fare']));
    }
  });

  async function requestOf(id: string): Promise<TrainingSetRequested> {
    const { log } = rides.trips.service.host;
    const topic = 'millrace.features.decisions';
    for (const [partition] of (await log.end(topic)).entries()) {
      for await (const record of log.read(topic, partition, 0)) {
        if (record.headers['ce_type'] !== 'millrace.features.TrainingSetRequested.v1') continue;
        const request = JSON.parse(record.value.toString()) as TrainingSetRequested;
        if (request.trainingSetId === id) return request;
      }
    }
    throw new Error(`training set ${id} was never requested`);
  }

  test('built again, in pages or whole, it has the same bytes', async () => {
    const { host } = rides.trips.service;
    const request = await requestOf(firstBatch.id);
    const scratch = new ScratchTables(host.offline, host.ids);
    for (const [eventsPerJoin, narrowBits] of [
      [1_000_000, 62],
      [1_000_000, 0],
      [50, 62],
      [50, 0],
    ] as const) {
      const again = await buildTrainingSet(
        {
          ...{ store: host.offline, artifacts: host.artifacts, scratch, seen: new SeenEvents(), maxRows: 1e6 },
          ...{ eventsPerJoin, narrowBits, progress: () => undefined },
        },
        request,
      );
      expect(again.sha256).toBe(firstBatch.sha256);
    }
  });

  describe('after a backfill', () => {
    let all: Ride[];
    beforeAll(async () => {
      between = Date.now() + 5;
      while (Date.now() <= between) await new Promise((resolve) => setImmediate(resolve));
      // Late events and corrections of times that were asked for.
      await rides.sendRides(300);
    });

    test('the set of now has them, and the set as known before is the one that was built before, byte for byte', async () => {
      const now = await rides.rowsOf(await rides.built({ spine: { rows: spine } }));
      all = await rides.read();
      expect(all.length).toBe(700);
      rides.expectTruth(now, spine, all);
      const before = await rides.bytesOf(firstBatch);
      for (const asKnown of [between, new Date(between).toISOString(), firstBatch.positions, lastPosition]) {
        const asBefore = await rides.built({ spine: { rows: spine }, asKnown });
        expect([asKnown, asBefore.id, asBefore.sha256]).toEqual([asKnown, firstBatch.id, firstBatch.sha256]);
        expect((await rides.bytesOf(asBefore)).equals(before)).toBe(true);
      }
    });

    test('as known at positions between, each view has what stood before them', async () => {
      const next = firstBatch.positions['rides']!.map((offset) => offset - 20);
      const some = all.filter(({ partition, offset }) => offset < next[partition]!);
      const rows = await rides.rowsOf(await rides.built({ featureService: 'both', spine: { rows: spine }, asKnown: { rides: next } }));
      rides.expectTruth(rows, spine, some);
      rides.expectTruth(rows, spine, some, (column) => `m_${column}`);
    });

    test('what was seen of the events is carried on to later positions, and is what a fresh look sees', async () => {
      const { offline: store } = rides.trips.service.host;
      const [view] = columnsOf(await requestOf(firstBatch.id)).views as [ViewColumns];
      const end = firstBatch.positions['rides']!.map((_, partition) =>
        Math.max(0, ...all.flatMap((ride) => (ride.partition === partition ? [ride.offset + 1] : []))),
      );
      const carried = new SeenEvents();
      const found: unknown[] = [];
      // Forth in steps, a jump back, and forth again from where it was.
      for (const part of [0, 0.01, 0.02, 0.3, 0.3, 0.31, 0.1, 0.6, 1, 1]) {
        const look = { store, view, next: end.map((offset) => Math.floor(offset * part)), eventsPerJoin: 1e6 };
        const seen = await carried.look(look);
        expect([part, seen]).toEqual([part, await new SeenEvents().look(look)]);
        found.push(seen);
      }
      expect(found[1]).toMatchObject({ hasRepeated: false });
      expect(found.at(-1)).toMatchObject({ count: all.length, hasRepeated: true });
    });

    test('nothing was known before there was anything', async () => {
      const rows = await rides.rowsOf(await rides.built({ spine: { rows: spine }, asKnown: '2001-01-01T00:00:00Z' }));
      rides.expectTruth(rows, spine, []);
    });
  });

  test('can be a table of the offline store, which comes back when it was dropped, and an Arrow file', async () => {
    const { offline } = rides.trips.service.host;
    const set = await rides.built({ spine: { rows: spine }, output: 'table' });
    const tableRows = async (): Promise<Row[]> => offline.query<Row>(`SELECT * FROM ${set.table} ORDER BY _row`);
    const before = await tableRows();
    expect(before.map(({ number }) => number)).toEqual(spine.map(({ number }) => number));
    const parquet = await rides.rowsOf(set);
    expect(before.map((row) => row['fare_now'])).toEqual(parquet.map((row) => row['fare_now'] ?? null));
    await offline.command(`DROP TABLE ${set.table} SYNC`);
    await rides.built({ spine: { rows: spine }, output: 'table' });
    while (!(await tableExists(offline, set.table as string))) await rides.trips.get('/healthz');
    expect(await tableRows()).toEqual(before);
    const arrow = await rides.built({ spine: { rows: spine }, output: 'arrow' });
    expect((await rides.bytesOf(arrow)).toString('latin1', 0, 6)).toBe('ARROW1');
    const { trainingSets } = (await (await rides.trips.get('/api/v1/training-sets?limit=2')).json()) as { trainingSets: TrainingSet[] };
    expect(trainingSets.map(({ id }) => id)).toEqual([arrow.id, set.id]);
  });
});
