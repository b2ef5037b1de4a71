import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { embeddedTopology, ensureVenv, runCommand, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { join } from 'node:path';

const PANDAS = '3.1.1';
const POLARS = '2.1.0';
const PYARROW = '26.0.1';

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: trips}
spec: {topic: trips, key: city, eventTime: at, eventId: id, schema: {id: String, at: DateTime64(3), city: String, fare: Float64}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: place}
spec: {joinKeys: {city: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: city_fares}
spec:
  entity: place
  source: trips
  ttl: 2h
  features:
    - {name: trips_1h, aggregate: count, window: 1h}
    - {name: last_fare, aggregate: last, column: fare}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: fares}
spec: {features: [city_fares]}
`;

const EVENTS = [
  ['a', '2026-01-01T00:00:00Z', 'Bern', 2.5],
  ['b', '2026-01-01T00:30:00Z', 'Basel', 0.1],
  ['d', '2026-01-01T01:00:00Z', 'Bern', 7],
  ['e', '2026-01-01T01:10:00Z', 'Zürich', 0.7],
  ['f', '2026-01-01T03:00:00Z', 'Bern', 4],
].map(([id, at, city, fare]) => JSON.stringify({ id, at, city, fare }));

let directory: TempDir;
let platform: Topology;

beforeAll(async () => {
  directory = await tempDir('training-sets');
  platform = await embeddedTopology(directory.path);
  await platform.start();
  const post = async (path: string, type: string, body: string): Promise<void> => {
    const response = await fetch(`${platform.url}${path}`, { method: 'POST', headers: { 'content-type': type }, body });
    if (response.status !== 200) throw new Error(await response.text());
  };
  await post('/api/v1/apply', 'application/yaml', RESOURCES);
  await post('/api/v1/sources/trips/events', 'application/x-ndjson', EVENTS.join('\n'));
}, 180_000);

afterAll(async () => {
  await platform.stop();
  await directory.remove();
});

test(`pandas ${PANDAS} and polars ${POLARS} get a training set in three lines`, async () => {
  const venv = await ensureVenv('frames', [`pandas==${PANDAS}`, `polars==${POLARS}`, `pyarrow==${PYARROW}`, 'numpy==2.4.6']);
  const output = await runCommand(venv.python, [join(import.meta.dirname, 'training_set_session.py'), platform.url]);
  expect(output).toContain(`{"pandas": "${PANDAS}", "polars": "${POLARS}", "rows": 5}`);
}, 600_000);
