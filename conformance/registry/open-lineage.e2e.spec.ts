import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { embeddedTopology, ensureVenv, runCommand, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const CLIENT = '3.17.2';
const OPENLINEAGE = ['openlineage-python==1.54.0'];

interface Event {
  readonly eventType?: string;
  readonly job?: { readonly name: string };
  readonly run?: { readonly runId: string };
  readonly dataset?: { readonly name: string };
  readonly inputs?: readonly { readonly name: string }[];
  readonly outputs?: readonly { readonly name: string }[];
}

let directory: TempDir;
let platform: Topology;
let receiver: Server;
const received: { id: string; authorization: string | undefined; event: Event }[] = [];
/** What the receiver answers; the events it did not take are not kept. */
let answer = 201;
let asked = 0;

beforeAll(async () => {
  directory = await tempDir('open-lineage');
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      asked++;
      const { authorization, 'idempotency-key': id } = request.headers;
      if (answer === 201) received.push({ id: String(id), authorization, event: JSON.parse(Buffer.concat(chunks).toString()) as Event });
      response.writeHead(answer).end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => receiver.once('listening', resolve));
  platform = await embeddedTopology(directory.path, {
    MILLRACE_REGISTRY_OPENLINEAGE_URL: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/api/v1/lineage`,
    MILLRACE_REGISTRY_OPENLINEAGE_API_KEY: 'a-token',
    MILLRACE_REGISTRY_OPENLINEAGE_NAMESPACE: 'tests',
  });
  await platform.start();
}, 180_000);

afterAll(async () => {
  await platform.stop();
  receiver.close();
  await directory.remove();
});

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${platform.url}${path}`, {
    method,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  expect([path, response.status]).toEqual([path, response.status < 300 ? response.status : 200]);
  return (await response.json()) as T;
}

async function train(): Promise<string> {
  const { python } = await ensureVenv(`mlflow-${CLIENT}`, [`mlflow-skinny==${CLIENT}`, 'setuptools==75.8.0']);
  const script = join(import.meta.dirname, '../mlflow/reproduced_training.py');
  const output = await runCommand(python, [script], { env: { MLFLOW_TRACKING_URI: platform.url } });
  return (JSON.parse(output.split('\n').find((line) => line.startsWith('{"run_id"')) ?? output) as { run_id: string }).run_id;
}

const told = () =>
  received.map(({ event }) =>
    `${event.eventType ?? ''} ${(event.job ?? event.dataset)?.name} ${[...(event.inputs ?? []), ...(event.outputs ?? [])].map(({ name }) => name).join()}`.trim(),
  );

test('a run, its version, its alias and its deployment are sent as OpenLineage events, through a receiver that is away and a process that is killed', async () => {
  answer = 503;
  const runId = await train();
  await waitFor(() => asked >= 2, { what: 'the receiver to be asked again', timeoutMs: 60_000 });
  expect(await call('GET', '/api/v1/lineage/delivery')).toMatchObject({
    isOn: true,
    delivered: 0,
    failure: { reason: 'the receiver answered 503' },
  });
  answer = 201;
  await waitFor(() => told().some((line) => line.startsWith('COMPLETE')), { what: 'the run to be told', timeoutMs: 60_000 });

  await call('POST', '/api/2.0/mlflow/registered-models/create', { name: 'delay' });
  const { run } = await call<{ run: { info: { artifact_uri: string } } }>('GET', `/api/2.0/mlflow/runs/get?run_id=${runId}`);
  await call('POST', '/api/2.0/mlflow/model-versions/create', { name: 'delay', source: `${run.info.artifact_uri}/code`, run_id: runId });
  await waitFor(() => told().some((line) => line.startsWith('OTHER')), { what: 'the version to be told', timeoutMs: 30_000 });
  answer = 503;
  await call('POST', '/api/2.0/mlflow/registered-models/alias', { name: 'delay', alias: 'champion', version: '1' });
  await call(
    'POST',
    '/api/v1/apply',
    'apiVersion: millrace.dev/v1\nkind: Deployment\nmetadata: {name: late}\nspec: {model: models:/delay@champion}\n',
  );
  await platform.services[0]!.kill();
  answer = 201;
  await platform.start();
  await waitFor(() => told().some((line) => line.startsWith('deployments/late')), { what: 'the deployment to be told', timeoutMs: 60_000 });
  await waitFor(() => told().some((line) => line.startsWith('models/delay@champion')), { what: 'the alias to be told', timeoutMs: 60_000 });

  const once = [...new Map(received.map((one) => [one.id, one])).values()];
  expect(received.every(({ authorization }) => authorization === 'Bearer a-token')).toBe(true);
  expect([...new Set(told())].sort()).toEqual([
    'COMPLETE experiments/0 datasets/march',
    'OTHER experiments/0 models/delay/1',
    'RUNNING experiments/0 datasets/march',
    'START experiments/0',
    'deployments/late models/delay@champion',
    'models/delay@champion',
  ]);
  expect(once.filter(({ event }) => event.run).every(({ event }) => event.run?.runId.replaceAll('-', '') === runId)).toBe(true);

  const page = await call<{ events: Event[]; nextPageToken?: string }>('GET', '/api/v1/lineage/events?limit=1000');
  const sorted = (events: readonly Event[]) => events.map((event) => JSON.stringify(event)).sort();
  expect(sorted(page.events)).toEqual(sorted(once.map(({ event }) => event)));

  expect(await read(page.events)).toEqual({ DatasetEvent: 1, JobEvent: 1, RunEvent: 4 });
}, 600_000);

/** How many events of each kind the classes of openlineage-python read, and write as they were. */
async function read(events: readonly Event[]): Promise<Record<string, number>> {
  const file = join(directory.path, 'events.jsonl');
  await writeFile(file, events.map((event) => JSON.stringify(event)).join('\n'));
  const { python } = await ensureVenv('openlineage', OPENLINEAGE);
  return JSON.parse(await runCommand(python, [join(import.meta.dirname, 'openlineage_check.py'), file])) as Record<string, number>;
}

test('an event the receiver refuses as such is told and passed', async () => {
  answer = 422;
  await call('POST', '/api/2.0/mlflow/registered-models/alias', { name: 'delay', alias: 'challenger', version: '1' });
  await waitFor(async () => (await call<{ refused: unknown[] }>('GET', '/api/v1/lineage/delivery')).refused.length === 1, {
    timeoutMs: 30_000,
  });
  answer = 201;
  await call('POST', '/api/2.0/mlflow/registered-models/alias', { name: 'delay', alias: 'shadow', version: '1' });
  await waitFor(() => told().some((line) => line.startsWith('models/delay@shadow')), { timeoutMs: 30_000 });
  expect(told().some((line) => line.startsWith('models/delay@challenger'))).toBe(false);
}, 120_000);

const FEATURES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: trains}
spec: {topic: trains, eventTime: at, schema: {at: DateTime64(3), line: String, delay: Float64}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: line}
spec: {joinKeys: {line: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: line_delays}
spec: {entity: line, source: trains, features: [{name: delay_1h, aggregate: mean, column: delay, window: 1h}, {name: twice, expression: delay_1h * 2}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: punctuality}
spec: {features: [line_delays]}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: punctual}
spec: {model: models:/delay@champion, featureService: punctuality}
`;

test('features are told from their source to the training set, to catalogs and in the graph', async () => {
  const before = received.length;
  await call('POST', '/api/v1/apply', FEATURES);
  await call('GET', '/api/v1/sources/trains');
  const spine = { rows: [{ line: 'S1', asked: '2026-01-01T00:00:00Z' }] };
  const { id } = await call<{ id: string }>('POST', '/api/v1/training-sets?wait=1m', {
    ...{ featureService: 'punctuality', timestampColumn: 'asked', spine },
  });
  await waitFor(() => told().some((line) => line.endsWith(`training-sets/${id}`)), {
    what: 'the training set to be told',
    timeoutMs: 60_000,
  });
  await call('DELETE', '/api/v1/resources/Deployment/punctual');
  const lineage = async (node: string, direction: string): Promise<string[]> => {
    const found = await call<{ nodes: { id: string }[] }>('GET', `/api/v1/lineage?node=${encodeURIComponent(node)}&direction=${direction}`);
    return found.nodes.map((one) => one.id).sort();
  };
  expect(await lineage('source:trains', 'downstream')).toEqual([
    'feature-service:punctuality@1',
    'feature-view:line_delays@1',
    'source:trains',
    `training-set:${id}`,
  ]);
  await call('POST', '/api/v1/apply', FEATURES);
  expect(await lineage('deployment:punctual', 'upstream')).toEqual(
    expect.arrayContaining(['feature-service:punctuality@1', 'feature-view:line_delays@1', 'source:trains', 'version:delay/1']),
  );
  const expected = [
    `COMPLETE feature-services/punctuality/training-set sources/trains,feature-views/line_delays,training-sets/${id}`,
    'START feature-services/punctuality/training-set sources/trains,feature-views/line_delays',
    'START feature-views/line_delays/online sources/trains,online-store/line_delays',
    'deployments/punctual models/delay@champion,feature-services/punctuality',
    'feature-services/punctuality feature-views/line_delays,feature-services/punctuality',
    'feature-views/line_delays sources/trains,feature-views/line_delays',
    'sources/trains',
  ].sort();
  // Resources lie in several partitions, and only within one are events told in order.
  const isTold = (line: string) => told().slice(before).includes(line);
  const deployments = () => told().filter((line) => line.startsWith('deployments/punctual')).length;
  await waitFor(() => deployments() === 2 && expected.every(isTold), { what: 'the features and the deployment to be told' });
  expect([...new Set(told().slice(before))].sort()).toEqual(expected);
  const events = received.slice(before).map(({ event }) => event);
  expect(await read(events)).toMatchObject({ DatasetEvent: 1, RunEvent: 3 });
}, 300_000);
