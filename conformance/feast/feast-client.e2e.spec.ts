import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { embeddedTopology, FEAST, feastVenv, runCommand, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { join } from 'node:path';
import { applyResources } from './feast-side.js';

let directory: TempDir;
let platform: Topology;

beforeAll(async () => {
  directory = await tempDir('feast-client');
  platform = await embeddedTopology(join(directory.path, 'millrace'));
  await platform.start();
  await applyResources(platform.url);
}, 600_000);

afterAll(async () => {
  await platform.stop();
  await directory.remove();
});

const LONG = '9007199254740993';

test(`Feast's client ${FEAST} reads, pushes, writes and materializes`, async () => {
  const { python } = await feastVenv();
  const output = await runCommand(python, [join(import.meta.dirname, 'client_session.py'), platform.url, directory.path]);
  const line = output.split('\n').find((text) => text.startsWith('{"pushed"')) ?? output;
  // The long id as text: JSON.parse would make another one of it.
  const seen = JSON.parse(line.replaceAll(new RegExp(`(${LONG}|9223372036854775807)`, 'g'), '"$1"')) as Record<string, unknown>;
  expect(seen).toMatchObject({
    pushed: {
      driver_id: [1001, LONG, 5],
      conv_rate: [0.5, 0.5, null],
      rating: [Math.fround(0.1), Math.fround(0.1), null],
      trips: [7, '9223372036854775807', null],
      city: ['Zürich', 'Zürich', null],
      active: [true, true, null],
      since: [1_577_836_800, 1_577_836_800, null],
    },
    pushed_statuses: ['PRESENT', 'PRESENT', 'NOT_FOUND'],
    null_and_expired: [
      [null, null],
      ['NULL_VALUE', 'OUTSIDE_MAX_AGE'],
    ],
    older_push: [7],
    corrected: [8],
    composite: { origin: ['1', '12', '123'], destination: ['23', '3', ''], flights: [3, 4, null], delay: [1.5, -2, null] },
    composite_types: ['string_val', 'string_val', 'int64_val', 'double_val'],
    composite_statuses: ['PRESENT', 'PRESENT', 'NOT_FOUND'],
    service: { origin: ['1'], destination: ['23'], flights: [3], delay: [1.5] },
    full_names: { driver_id: [1001], driver_stats__city: ['Zürich'], driver_notes__city: ['Bern'] },
    online_read: [expect.stringMatching(/\.654000\+00:00$/), 'Bern', 5],
    // The class, the message, and whether it came at once: the client tries again in vain what it is told with 500.
    errors: {
      collision: ['FeatureNameCollisionError', expect.stringMatching(/^Duplicate features named city/), true],
      no_view: ['FeatureViewNotFoundException', 'Feature view nothing does not exist', true],
      no_feature: ['FeastObjectNotFoundException', 'Feature x does not exist in feature view driver_stats', true],
      no_key: ['RuntimeError', expect.stringMatching(/422 "Join key driver_id is missing from entities"/), true],
      bad_key: ['RuntimeError', expect.stringMatching(/422 "Value 0 of join key driver_id is not Int64"/), true],
      not_materialized: ['RuntimeError', expect.stringMatching(/\(422\): "start_ts .* must be before end_ts/), true],
      documents: ['RuntimeError', expect.stringMatching(/404/), true],
    },
    push_to: [
      [200, ''],
      [200, ''],
      [200, ''],
    ],
    read_after_push: ['Chur'],
    health: 200,
  });
}, 600_000);

test('what was pushed and written are events of the source, which analysts see', async () => {
  const rows = async (): Promise<string> => {
    const sql = 'SELECT origin, destination, flights, delay FROM millrace.source_route_rows ORDER BY origin FORMAT CSV';
    return (await fetch(platform.clickhouseUrl, { method: 'POST', body: sql })).text();
  };
  await waitFor(async () => (await rows()) === '"1","23",3,1.5\n"12","3",4,-2\n', { timeoutMs: 20_000, what: 'the rows in the table' });
});
