import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TOPICS } from '@millrace/contracts';
import type { EventLog } from '@millrace/event-log';
import { Fault } from '@millrace/kernel';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { decodePrediction } from './projections/predictions.projection.js';
import { decodeShadow } from './projections/shadow-answers.projection.js';
import { InferenceModule, inferenceConfig } from './index.js';
import { PublishedModels } from './testing/published-models.js';
import { rowModel } from './testing/row-model.js';
import { countedOutputs, StreamClient } from './testing/stream-client.js';

const EVENTS = 40;
const DEFINITIONS = `apiVersion: millrace.dev/v1
kind: Source
metadata: {name: counted}
spec: {topic: counted, eventTime: at, schema: {at: DateTime64(3), index: Int64}}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: row}
spec: {model: models:/row/1}
---
apiVersion: millrace.dev/v1
kind: Rollout
metadata: {name: row-2}
spec: {deployment: row, candidate: models:/row/2, strategy: shadow}
---
apiVersion: millrace.dev/v1
kind: StreamingInference
metadata: {name: counted}
spec: {deployment: row, source: counted, output: {topic: counted.out, columns: [index]}, maxBatchRecords: 16}
`;

let directory: TempDir;
let service: RunningService;
beforeAll(async () => {
  directory = await tempDir('streams-repeats');
});
afterAll(async () => {
  await service.close();
  await directory.remove();
}, 60_000);

const start = async (): Promise<void> => {
  const environment = {
    ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_GRPC_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0' },
    MILLRACE_LOG_LEVEL: 'fatal',
  };
  service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
};

/** Ends what is appended to a topic before it comes there, as an end of the process between a batch's predictions and its outputs does. */
function cutOff(log: EventLog, topic: string): () => void {
  const append = log.append.bind(log);
  log.append = (records) =>
    records.some((record) => record.topic === topic) ? Promise.reject(new Fault('MR_LOG_AWAY', 'cut off', true)) : append(records);
  return () => {
    log.append = append;
  };
}

const recorded = async (): Promise<{ id: string; mayRepeat: boolean; stream: string | null }[]> => {
  const { log } = service.host;
  const found: { id: string; mayRepeat: boolean; stream: string | null }[] = [];
  for (const [partition, end] of (await log.end(TOPICS.predictions.name)).entries())
    for await (const record of log.read(TOPICS.predictions.name, partition, 0, end)) {
      const prediction = decodePrediction(record);
      if (prediction.ok !== true) continue;
      const { predictionId: id, mayRepeat = false, stream = null } = prediction.value.data;
      found.push({ id, mayRepeat, stream });
    }
  return found;
};
/** Ids of the predictions of which answers of the candidate are on the log. */
const mirrored = async (): Promise<string[]> => {
  const { log } = service.host;
  const found: string[] = [];
  for (const [partition, end] of (await log.end(TOPICS.shadows.name)).entries())
    for await (const record of log.read(TOPICS.shadows.name, partition, 0, end)) {
      const fact = decodeShadow(record);
      if (fact.ok === true) found.push(fact.value.data.predictionId);
    }
  return found;
};
const idsOf = (records: readonly { readonly id: string }[]): Set<string> => new Set(records.map(({ id }) => id));

test('an event that is answered again has one prediction in the table, whether its batch is tried again or its process was cut off', async () => {
  await start();
  const models = new PublishedModels(service.host);
  await models.register('row', rowModel(100));
  await models.register('row', rowModel(100));
  await service.host.log.ensureTopic({ name: 'counted', partitions: 1, retention: 'forever' });
  const put = (from: number, to: number) =>
    service.host.log.append(
      Array.from({ length: to - from }, (_, n) => ({
        ...{ topic: 'counted', partition: 0, key: null },
        value: Buffer.from(JSON.stringify({ at: 1_000 + from + n, index: from + n })),
      })),
    );
  await put(0, EVENTS);
  cutOff(service.host.log, 'counted.out');
  await new StreamClient(service.url).apply(DEFINITIONS);
  await waitFor(async () => (await recorded()).length >= 32, { timeoutMs: 30_000, what: 'a batch to be tried again' });
  await waitFor(async () => (await mirrored()).length > 16, { timeoutMs: 30_000, what: 'a batch to be mirrored again' });
  const before = await recorded();
  expect(idsOf(before).size).toBe(16);
  await service.close();

  await start();
  await waitFor(async () => (await countedOutputs(service.host.log, 'counted.out')).length === EVENTS, { timeoutMs: 60_000 });
  // What came after the start was answered by nobody before.
  await put(EVENTS, EVENTS + 10);
  await waitFor(async () => (await countedOutputs(service.host.log, 'counted.out')).length === EVENTS + 10, { timeoutMs: 60_000 });
  const records = await recorded();
  expect(records.length).toBeGreaterThanOrEqual(before.length + EVENTS + 10);
  expect(new Set(records.map(({ stream }) => stream))).toEqual(new Set(['counted']));
  const last = (await countedOutputs(service.host.log, 'counted.out')).slice(EVENTS).map(({ data }) => data.predictionId);
  const fresh = records.filter(({ id }) => last.includes(id));
  expect(fresh.map(({ mayRepeat }) => mayRepeat)).toEqual(last.map(() => false));

  await service.host.tables.settled();
  const rows = await service.host.offline.query<{ id: string }>('SELECT prediction_id AS id FROM millrace.predictions');
  expect([rows.length, idsOf(rows).size]).toEqual([EVENTS + 10, EVENTS + 10]);
  expect(idsOf(rows)).toEqual(new Set((await countedOutputs(service.host.log, 'counted.out')).map(({ data }) => data.predictionId)));

  // What the candidate answered to copies counts once as well, in the table and for the rollout's gates.
  const copies = await mirrored();
  const answered = await service.host.offline.query<{ id: string }>('SELECT prediction_id AS id FROM millrace.shadow_answers');
  expect(copies.length).toBeGreaterThan(new Set(copies).size);
  expect([answered.length, idsOf(answered)]).toEqual([new Set(copies).size, new Set(copies)]);
  await waitFor(async () => {
    const { evidence } = (await (await fetch(`${service.url}/api/v1/rollouts/row-2`)).json()) as { evidence?: { requests: object } };
    const { requests } = evidence ?? {};
    return JSON.stringify(requests) === JSON.stringify({ primary: answered.length, candidate: answered.length });
  });
}, 180_000);
