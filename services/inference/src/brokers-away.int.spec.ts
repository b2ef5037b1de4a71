import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { startKafka, tempDir, waitFor, type KafkaEngine, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';

let temp: TempDir;
let kafka: KafkaEngine;
let service: RunningService;
/** A broker of its own, because the test stops it. */
beforeAll(async () => {
  [temp, kafka] = await Promise.all([tempDir('brokers-away'), startKafka()]);
  const environment = {
    MILLRACE_DATA_DIR: temp.path,
    MILLRACE_KAFKA_BROKERS: kafka.brokers,
    ...{ MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0', MILLRACE_LOG_LEVEL: 'silent' },
  };
  service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
}, 180_000);
afterAll(async () => {
  await service.close();
  await kafka.stop();
  await temp.remove();
}, 60_000);

/** Applies a source, and says how long that took. */
async function apply(name: string, column = 'n'): Promise<{ status: number; retryAfter: string | null; detail: string; ms: number }> {
  const began = performance.now();
  const response = await fetch(`${service.url}/api/v1/apply`, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body: `{apiVersion: millrace.dev/v1, kind: Source, metadata: {name: ${name}}, spec: {topic: ${name}, eventTime: at, schema: {at: DateTime64(3), ${column}: Int64}}}`,
  });
  const text = await response.text();
  return { status: response.status, retryAfter: response.headers.get('retry-after'), detail: text, ms: performance.now() - began };
}

test('while no broker can be reached a command is refused soon, with the reason, and has no effect later', async () => {
  expect(await apply('kept')).toMatchObject({ status: 200 });
  await kafka.whileStopped(async () => {
    const first = await apply('never');
    expect(first).toMatchObject({
      status: 503,
      retryAfter: '1',
      detail: expect.stringMatching(/no Kafka broker has been reached for \d+ s/),
    });
    expect(first.ms).toBeLessThan(9_000);
    // From then on at once: what would be written, what would change nothing, and a question.
    for (const ask of [() => apply('never'), () => apply('kept', 'm'), () => apply('kept')]) {
      const { ms, ...refused } = await ask();
      expect(refused).toMatchObject({ status: 503, retryAfter: '1', detail: expect.stringMatching(/no Kafka broker has been reached/) });
      expect(ms).toBeLessThan(3_000);
    }
  });
  await waitFor(async () => (await apply('after')).status === 200, { timeoutMs: 60_000 });
  const statusOf = async (name: string): Promise<number> => (await fetch(`${service.url}/api/v1/resources/Source/${name}`)).status;
  expect([await statusOf('kept'), await statusOf('never'), await statusOf('after')]).toEqual([200, 404, 200]);
}, 240_000);
