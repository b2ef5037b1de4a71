import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deadLetterTopicOf } from '@millrace/event-log';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { delayModel, departures, FLIGHTS } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';
import { countedOutputs, StreamClient } from './testing/stream-client.js';

const EVENTS = Date.parse('2001-01-01T10:00:00Z');
const definition = (kind: string, name: string, spec: string): string =>
  `---\napiVersion: millrace.dev/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const SOURCE = '{topic: due, eventTime: at, schema: {at: DateTime64(3), flight: String, origin: String, distance: Float32}}';
const TRIAL = '{unit: flight, variants: [{name: a, weight: 1, model: models:/delay/1}, {name: b, weight: 1, model: models:/delay/1}]}';
const stream = (more = ''): string =>
  definition('StreamingInference', 'due', `{deployment: delay, source: due, output: {topic: due.predicted}${more}}`);

let directory: TempDir;
let service: RunningService;
let streams: StreamClient;

beforeAll(async () => {
  directory = await tempDir('streams-experiments');
  const environment = {
    ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_GRPC_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0' },
    MILLRACE_LOG_LEVEL: 'error',
  };
  service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
  streams = new StreamClient(service.url);
  await new PublishedModels(service.host).register('delay', delayModel(0));
  await service.host.log.ensureTopic({ name: 'due', partitions: 1, retention: 'forever' });
  await streams.apply(`${FLIGHTS}${definition('Deployment', 'delay', '{model: models:/delay/1, featureService: delay_model}')}`);
  await streams.apply(`${definition('Source', 'due', SOURCE)}${stream()}`);
  await departures(service.host, [{ origin: 'ORD', departed: '2001-01-01T09:30:00Z', delay: 20 }]);
}, 120_000);
afterAll(async () => {
  await service.close();
  await directory.remove();
}, 60_000);

const is = (status: string) =>
  waitFor(
    async () => {
      const shown = await streams.get('due');
      return shown.status === status && shown;
    },
    { timeoutMs: 30_000, what: `the stream to be ${status}` },
  );
const put = (flight: string) => {
  const value = Buffer.from(JSON.stringify({ at: EVENTS, flight, origin: 'ORD', distance: 800 }));
  return service.host.log.append([{ topic: 'due', partition: 0, key: null, value }]);
};

test('an experiment that no column says the unit of stalls the stream and harms no event', async () => {
  await is('running');
  await streams.apply(
    `${definition('Experiment', 'trial', TRIAL)}${definition('Deployment', 'delay', '{model: models:/delay/1, featureService: delay_model, experiment: trial}')}`,
  );
  await put('AA1');
  const { partitions } = await is('stalled');
  expect(partitions[0]?.error).toContain(
    'Deployment delay runs Experiment trial, which assigns flight; say in spec.unit of the stream which column of Source due that is',
  );
  await streams.apply(stream(', unit: flight'));
  const [output] = await waitFor(
    async () => {
      const found = await countedOutputs(service.host.log, 'due.predicted');
      return found.length === 1 && found;
    },
    { timeoutMs: 30_000, what: 'the output' },
  );
  expect(['a', 'b']).toContain(output?.data.variant);
  expect(await service.host.log.partitions(deadLetterTopicOf('due'))).toBeUndefined();
});
