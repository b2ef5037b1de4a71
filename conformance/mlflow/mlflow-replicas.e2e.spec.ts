import { afterAll, beforeAll, describe, test } from '@jest/globals';
import {
  distributedTopology,
  startKafka,
  startRedis,
  tempDir,
  type KafkaEngine,
  type RedisEngine,
  type TempDir,
  type Topology,
} from '@millrace/testing';
import { CLIENT_VERSIONS, playSession } from './mlflow-sessions.js';

/** Topics and keys have fixed names, so this platform has a broker and a Redis of its own. */
describe('two replicas of each service on Kafka and Redis, behind a router that alternates between them', () => {
  let directory: TempDir;
  let kafka: KafkaEngine;
  let redis: RedisEngine;
  let platform: Topology;

  beforeAll(async () => {
    directory = await tempDir('mlflow-replicas');
    [kafka, redis] = await Promise.all([startKafka(), startRedis()]);
    platform = await distributedTopology({
      ...{ directory: directory.path, kafkaBrokers: kafka.brokers, redisUrl: redis.url, replicas: 2 },
      env: {
        MILLRACE_REGISTRY_WEBHOOK_KEY: 'a-key-for-webhook-secrets-of-this-test',
        MILLRACE_REGISTRY_WEBHOOK_PRIVATE: 'true',
        MILLRACE_TRACKING_GATEWAY_KEY: 'a-key-for-gateway-secrets-of-this-test',
      },
    });
    await platform.start();
  }, 400_000);

  afterAll(async () => {
    await platform?.stop();
    await Promise.all([kafka?.stop(), redis?.stop()]);
    await directory.remove();
  }, 120_000);

  test.each(CLIENT_VERSIONS)('%s does a whole session', (version) => playSession(version, 'client_session.py', platform.url), 600_000);

  test.each(CLIENT_VERSIONS)(
    '%s logs, registers, loads and evaluates models of scikit-learn, LightGBM, XGBoost and ONNX',
    (version) => playSession(version, 'frameworks_session.py', platform.url),
    900_000,
  );

  test('3.17.2 keeps logged models, prompts and webhooks', () => playSession('3.17.2', 'logged_models_session.py', platform.url), 600_000);

  test('3.17.2 and OpenTelemetry’s exporters keep traces', () => playSession('3.17.2', 'traces_session.py', platform.url), 600_000);

  test('3.17.2 configures the gateway to language models', () => playSession('3.17.2', 'gateway_session.py', platform.url), 600_000);
});
