import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { startRedis, tempDir, waitFor, type RedisEngine, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { delayModel, departures, FLIGHTS } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';

let temp: TempDir;
let redis: RedisEngine;
let service: RunningService;
beforeAll(async () => {
  [temp, redis] = await Promise.all([tempDir('inference'), startRedis()]);
  const environment = {
    MILLRACE_DATA_DIR: temp.path,
    MILLRACE_REDIS_URL: redis.url,
    MILLRACE_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_GRPC_PORT: '0',
    MILLRACE_LOG_LEVEL: 'silent',
  };
  service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
  const models = new PublishedModels(service.host);
  await models.register('delay', delayModel(0));
  await models.alias('delay', 'champion', 1);
  const applied = await fetch(`${service.url}/api/v1/apply`, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body: `${FLIGHTS}---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: late}
spec: {model: models:/delay@champion, featureService: delay_model}
`,
  });
  if (!applied.ok) throw new Error(await applied.text());
  await departures(service.host, [{ origin: 'ORD', departed: '2001-01-01T08:00:00Z', delay: 30 }]);
  await waitFor(async () => (await fetch(`${service.url}/v2/models/late/ready`)).ok, { what: 'the deployment to be ready' });
}, 60_000);
afterAll(async () => {
  await service.close();
  await redis.stop();
  await temp.remove();
});

async function infer(parameters: object = {}): Promise<{ status: number; retryAfter: string | null; error: string | undefined }> {
  const input = (name: string, datatype: string, data: unknown[]) => ({ name, datatype, shape: [data.length], data });
  const response = await fetch(`${service.url}/v2/models/late/infer`, {
    method: 'POST',
    body: JSON.stringify({
      parameters: { event_time: '2001-01-01T10:00:00Z', ...parameters },
      inputs: [input('origin', 'BYTES', ['ORD']), input('distance', 'FP32', [300])],
    }),
  });
  const { error } = (await response.json()) as { error?: string };
  return { status: response.status, retryAfter: response.headers.get('retry-after'), error };
}

test('a request is held up by its online store for no longer than its own time, and refused at once when the store is away', async () => {
  expect(await infer()).toMatchObject({ status: 200 });
  redis.process.kill('SIGSTOP');
  try {
    const late = await infer({ timeout: 100_000 });
    expect(late).toMatchObject({ status: 504, error: expect.stringContaining('the deadline passed while the features were read') });
  } finally {
    redis.process.kill('SIGCONT');
  }
  expect(await infer()).toMatchObject({ status: 200 });
  await redis.stop();
  for (let again = 0; again < 10; again++) {
    const away = await infer();
    expect(away).toMatchObject({ status: 503, retryAfter: '1', error: expect.stringContaining('the features could not be read') });
  }
}, 60_000);
