import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { logisticRegression } from '@millrace/onnx';
/* eslint-disable @nx/enforce-module-boundaries -- what the command talks to is a real platform; only this test starts one */
import { platformConfig, PlatformModule } from '@millrace/platform';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
/* eslint-enable @nx/enforce-module-boundaries */
import { runCli } from './testing/run-cli.js';

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: payments}
spec: {topic: payments, key: card, eventTime: at, eventId: id, schema: {id: String, card: String, amount: Float64, at: DateTime64(3)}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: card}
spec: {joinKeys: {card: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: card_payments}
spec: {entity: card, source: payments, features: [{name: payments_1h, aggregate: count, window: 1h, includeCurrent: true}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: fraud_model}
spec: {features: [card_payments], request: {amount: Float64}}
---
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: requests}
spec: {topic: requests, key: card, eventTime: at, eventId: id, schema: {id: String, card: String, amount: Float64, at: DateTime64(3)}}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: fraud}
spec: {model: models:/fraud/1, featureService: fraud_model}
---
apiVersion: millrace.dev/v1
kind: StreamingInference
metadata: {name: fraud}
spec: {deployment: fraud, source: requests, output: {topic: requests.scored}}
`;

describe('millrace stream', () => {
  let temp: TempDir;
  let platform: RunningService;

  beforeAll(async () => {
    temp = await tempDir('cli-streams');
    const environment = { MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' };
    platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { logDestination: { write: () => undefined } });
    await waitFor(async () => (await fetch(`${platform.url}/readyz`)).ok, { timeoutMs: 60_000 });
    const onnx = logisticRegression({ features: ['amount', 'payments_1h'], weights: [0, 1], bias: 0, mean: [0, 0], scale: [1, 1] });
    await ask('PUT', '/api/2.0/mlflow-artifacts/artifacts/exported/model.onnx', new Uint8Array(onnx));
    await ask('POST', '/api/2.0/mlflow/registered-models/create', JSON.stringify({ name: 'fraud' }));
    await ask(
      'POST',
      '/api/2.0/mlflow/model-versions/create',
      JSON.stringify({ name: 'fraud', source: 'mlflow-artifacts:/exported/model.onnx' }),
    );
  }, 120_000);
  afterAll(async () => {
    await platform.close();
    await temp.remove();
  });

  async function ask(method: string, path: string, body: string | Uint8Array<ArrayBuffer>, type = 'application/json'): Promise<void> {
    const response = await fetch(`${platform.url}${path}`, { method, body, headers: { 'content-type': type } });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  }
  const millrace = (args: readonly string[], stdin = '') => runCli(platform.url, args, stdin);

  test('events come in, are enriched from what other events made, and go out; the command says how far it is', async () => {
    expect((await millrace(['apply', '-f', '-'], RESOURCES)).out).toContain('StreamingInference/fraud created');
    const at = Date.parse('2026-01-01T12:00:00Z');
    const lines = (events: readonly object[]): string => events.map((event) => JSON.stringify(event)).join('\n');
    const payment = (id: string, card: string, minutes: number) => ({ id, card, amount: 5, at: at + minutes * 60_000 });
    const intake = (source: string, events: readonly object[]) =>
      ask('POST', `/api/v1/sources/${source}/events`, lines(events), 'application/x-ndjson');
    await intake('payments', [payment('a', 'c1', 0), payment('b', 'c1', 10), payment('c', 'c2', 10)]);
    await waitFor(
      async () => {
        const inputs = [
          { name: 'card', datatype: 'BYTES', shape: [1], data: ['c1'] },
          { name: 'amount', datatype: 'FP64', shape: [1], data: [1] },
        ];
        const body = JSON.stringify({ inputs, parameters: { event_time: at + 900_000 } });
        const response = await fetch(`${platform.url}/v2/models/fraud/infer`, { method: 'POST', body });
        const reply = (await response.json()) as { outputs?: { data: number[] }[] };
        return Math.abs((reply.outputs?.[0]?.data[0] ?? 0) - 1 / (1 + Math.exp(-2))) < 1e-5;
      },
      { timeoutMs: 60_000, what: 'the features' },
    );
    await intake('requests', [payment('r1', 'c1', 5), payment('r2', 'c1', 15), payment('r3', 'c2', 15), payment('r4', 'c3', 15)]);
    const out = await waitFor(
      async () => {
        const { out: text } = await millrace(['events', 'tail', 'requests.scored', '--from', 'beginning', '-o', 'json']);
        const records = text
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as { data: { columns: { id: string }; outputs: { probability: number } } });
        return records.length === 4 && records;
      },
      { timeoutMs: 60_000, what: 'the outputs' },
    );
    const probability = (count: number): unknown => expect.closeTo(1 / (1 + Math.exp(-count)), 5);
    expect(Object.fromEntries(out.map(({ data }) => [data.columns.id, data.outputs.probability]))).toEqual({
      ...{ r1: probability(1), r2: probability(2), r3: probability(1), r4: probability(0) },
    });
    expect((await millrace(['stream', 'list'])).out).toMatch(/fraud +running +fraud +requests +requests\.scored +0 +0s/);
    const shown = await millrace(['stream', 'get', 'fraud']);
    expect([shown.code, shown.err]).toEqual([0, '']);
    expect(shown.out).toMatch(/^stream fraud is running\n {2}requests -> fraud -> requests\.scored, generation 1, begun 20/);
    expect(shown.out).toMatch(/\n0 +\d+ +\d+ +0 +0s +yes/);
    await millrace(['delete', 'Deployment', 'fraud']);
    const waiting = await waitFor(
      async () => {
        const found = await millrace(['stream', 'get', 'fraud']);
        return found.out.startsWith('stream fraud is waiting') && found;
      },
      { timeoutMs: 30_000 },
    );
    expect(waiting.code).toBe(1);
    expect(waiting.out).toContain('Deployment fraud is not there; apply it');
    expect((await millrace(['stream', 'get', 'nobody'])).err).toContain('there is no StreamingInference "nobody"');
  }, 180_000);
});
