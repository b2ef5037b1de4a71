import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { HOUR, START, trip, TripsService, until, type OnlineReply } from './testing/trips.js';

const VIEW = (window: string, extra = ''): string => `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: rides}
spec:
  entity: place
  source: trips
  ${extra}
  features: [{name: rides, aggregate: count, window: ${window}, pii: true}, {name: fare, aggregate: last, column: fare}]
`;
const SERVICE = `
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: model}
spec: {features: [rides], owner: ops}
`;

describe('versions of views and services', () => {
  let trips: TripsService;
  let position: string;
  const at = START + 3 * HOUR;
  const apply = async (text: string): Promise<{ kind: string; outcome: string; version: number }[]> => {
    const response = await trips.post('/api/v1/apply', text, 'application/yaml');
    const body = (await response.json()) as { documents: { kind: string; outcome: string; version: number }[] };
    if (response.status !== 200) throw new Error(JSON.stringify(body));
    return body.documents;
  };
  const read = (request: object): Promise<OnlineReply> =>
    trips.online({ entities: { city: ['Bern'] }, at, at_least: position, ...request });
  const values = (reply: OnlineReply): unknown[] => reply.results.slice(1).map((column) => column.values[0]);
  const set = async (
    featureService: string,
  ): Promise<{ featureServiceVersion: number; status: string; pii: string[]; id: string; columns: { name: string }[] }> => {
    const spine = { rows: [{ city: 'Bern', asked: at }] };
    const response = await trips.post('/api/v1/training-sets?wait=60s', { featureService, timestampColumn: 'asked', spine });
    return (await response.json()) as never;
  };

  beforeAll(async () => {
    trips = await TripsService.start();
    position = await trips.send([trip('a', 0, 1), trip('b', 70, 2), trip('c', 130, 3)]);
    await apply(`${VIEW('90m')}---${SERVICE}`);
  }, 120_000);
  afterAll(() => trips.stop());

  test('a changed view makes a new version of the service, and both are served side by side once somebody serves the old one', async () => {
    expect(values(await read({ feature_service: 'model' }))).toEqual([1, 3]);
    const first = await set('model');
    expect(first).toMatchObject({ status: 'built', featureServiceVersion: 1, pii: ['rides'] });
    expect(await apply(VIEW('2h'))).toMatchObject([
      { kind: 'FeatureView', version: 2 },
      { kind: 'FeatureService', version: 2 },
    ]);
    const now = await until(
      () => read({ feature_service: 'model' }),
      (reply) => values(reply)[0] === 2,
    );
    expect(values(now)).toEqual([2, 3]);
    // Nobody serves version 1, so it is not kept, and says so.
    const refused = await trips.post('/get-online-features', { feature_service: 'model@1', entities: { city: ['Bern'] } });
    expect([refused.status, JSON.parse((await refused.json()) as string)]).toEqual([
      404,
      expect.objectContaining({
        class: 'FeatureServiceNotFoundException',
        message: 'Feature service model@1 is not kept online, as nothing that is applied names this version: name it in a deployment',
      }),
    ]);
    const view = await trips.post('/get-online-features', { features: ['rides@v1:rides'], entities: { city: ['Bern'] } });
    expect([view.status, JSON.parse((await view.json()) as string)]).toEqual([
      404,
      expect.objectContaining({
        class: 'FeatureViewNotFoundException',
        message:
          'Feature view rides@1 is not kept online, as nothing that is applied names this version: name rides@1 in a feature service',
      }),
    ]);
    const none = await trips.post('/get-online-features', { features: ['rides@9:rides'], entities: { city: ['Bern'] } });
    expect(await none.json()).toContain('Feature view rides@9 does not exist');
    await apply(`${SERVICE.replace('name: model', 'name: pinned').replace('[rides]', '["rides@1:rides", "rides@2:fare"]')}`);
    const old = await until(
      () => read({ feature_service: 'pinned' }).catch(() => undefined),
      (reply) => reply !== undefined && values(reply)[0] === 1,
    );
    expect(values(old as OnlineReply)).toEqual([1, 3]);
    expect(values(await read({ feature_service: 'model@1' }))).toEqual([1, 3]);
    expect(values(await read({ features: ['rides@1:rides', 'rides@v2:fare'] }))).toEqual([1, 3]);
    expect(values(await read({ features: ['rides:rides'] }))).toEqual([2]);
  });

  test('a training set says which version it was made from, and can be asked for an old one', async () => {
    const [now, old, oldest] = [await set('model'), await set('model@1'), await set('model@1')];
    expect([now.featureServiceVersion, old.featureServiceVersion]).toEqual([2, 1]);
    expect(old.id).toBe(oldest.id);
    expect(now.id).not.toBe(old.id);
    expect(old.columns.map(({ name }) => name)).toEqual(['city', 'asked', 'rides', 'fare']);
    const missing = await trips.post('/api/v1/training-sets', {
      featureService: 'model@9',
      timestampColumn: 'asked',
      spine: { rows: [{}] },
    });
    expect(missing.status).toBe(404);
  });

  test('another owner and other tags make no new version and no new set', async () => {
    const before = await set('model');
    expect(await apply(VIEW('2h', 'owner: other\n  tags: {tier: gold}'))).toMatchObject([{ outcome: 'configured', version: 2 }]);
    expect((await set('model')).id).toBe(before.id);
  });
});
