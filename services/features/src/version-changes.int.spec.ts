import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { HOUR, START, trip, TripsService, until, type OnlineReply } from './testing/trips.js';

const VIEW = (window: string, more = ''): string => `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: rides}
spec:
  entity: place
  source: trips
  features: [{name: rides, aggregate: count, window: ${window}}, {name: fare, aggregate: last, column: fare}${more}]
`;
const SERVICE = (features: string): string => `
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: model}
spec: {features: [${features}]}
`;
const PINNED = SERVICE('"rides@1"').replace('model', 'pinned');
const WIDER = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: trips}
spec:
  topic: trips
  key: city
  eventTime: at
  eventId: id
  schema: {tip: Nullable(Float64), note: Nullable(String), id: String, at: DateTime64(3), city: String, line: Int32, fare: Float64}
`;
/** So many that a new state takes a while to be brought up. */
const TRIPS = 100_000;
const CITIES = ['Bern', 'Thun', 'Biel', 'Chur'];
const OF_BERN = TRIPS / CITIES.length;

describe('changes of what is served', () => {
  let trips: TripsService;
  const at = START + 3 * HOUR;
  const apply = async (text: string): Promise<void> => {
    const response = await trips.post('/api/v1/apply', text, 'application/yaml');
    if (response.status !== 200) throw new Error(await response.text());
  };
  const read = (request: object): Promise<OnlineReply> => trips.online({ entities: { city: ['Bern'] }, at, ...request });
  const values = (reply: OnlineReply): unknown[] => reply.results.slice(1).map((column) => column.values[0]);

  beforeEach(async () => {
    trips = await TripsService.start();
    await apply(VIEW('90m'));
  }, 120_000);
  afterEach(() => trips.stop());

  test('a version that is pinned goes on counting after its source was given columns before the others', async () => {
    await apply(PINNED);
    await trips.send([trip('a', 70, 1), trip('b', 100, 2)]);
    await apply(WIDER);
    await apply(VIEW('20h'));
    const position = await trips.send([trip('c', 130, 3)]);
    expect(values(await read({ feature_service: 'pinned', at_least: position }))).toEqual([2, 3]);
    expect(
      values(
        await until(
          () => read({ features: ['rides'], at_least: position }),
          (reply) => values(reply)[0] === 3,
        ),
      ),
    ).toEqual([3, 3]);
  });

  test('a changed view answers from its old state until the new one is up, and never from a part of it', async () => {
    await apply(SERVICE('"rides:rides"'));
    let position = '';
    for (let first = 0; first < TRIPS; first += 10_000)
      position = await trips.send(
        Array.from({ length: 10_000 }, (_, index) => trip(`t${first + index}`, 100, 1, CITIES[index % CITIES.length])),
      );
    await read({ features: ['rides'], at_least: position });
    const seen = new Set<string>();
    let isUp = false;
    const reading = (async () => {
      while (!isUp) {
        const [view, service] = await Promise.all([read({ features: ['rides:rides'] }), read({ feature_service: 'model' })]);
        seen.add(JSON.stringify(values(view))).add(JSON.stringify(values(service)));
        isUp = values(service).length === 2;
      }
    })();
    // The service is changed with the view, and asks for what the old one does not have.
    await apply(
      `${VIEW('20h', ', {name: fares, aggregate: sum, column: fare, window: 20h}')}---${SERVICE('"rides:rides", "rides:fares"')}`,
    );
    // What only the new state can answer says that it will.
    const more = SERVICE('"rides:fares"').replace('model', 'more');
    await apply(more);
    const early = await Promise.all(
      [{ feature_service: 'more' }, { features: ['rides:fares'] }].map(async (request) =>
        trips.post('/get-online-features', { entities: { city: ['Bern'] }, at, ...request }),
      ),
    );
    for (const response of early)
      if (response.status !== 200)
        expect([response.status, await response.text()]).toEqual([503, expect.stringContaining('still being filled')]);
    await reading;
    expect(values(await read({ feature_service: 'more' }))).toEqual([OF_BERN]);
    expect([...seen].sort()).toEqual([`[${OF_BERN},${OF_BERN}]`, `[${OF_BERN}]`]);
  }, 120_000);
});
