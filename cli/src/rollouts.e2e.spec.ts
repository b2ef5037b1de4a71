import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
// eslint-disable-next-line @nx/enforce-module-boundaries -- what the command talks to is the real platform; only this test starts one
import { platformConfig, PlatformModule } from '@millrace/platform';
import { logisticRegression } from '@millrace/onnx';
// eslint-disable-next-line @nx/enforce-module-boundaries -- as above
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
// eslint-disable-next-line @nx/enforce-module-boundaries -- as above
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { EXIT } from './cli-error.js';
import { runCli } from './testing/run-cli.js';

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: risk}
spec: {model: models:/risk@champion}
---
apiVersion: millrace.dev/v1
kind: Rollout
metadata: {name: risk-v2}
spec:
  deployment: risk
  candidate: models:/risk/2
  strategy: canary
  steps: [{share: 50%, samples: 10}, {share: 80%, samples: 10}]
  gates: [{metric: error_rate, margin: 0.4}]
`;

describe('millrace rollout', () => {
  let temp: TempDir;
  let platform: RunningService;

  beforeAll(async () => {
    temp = await tempDir('cli-rollouts');
    const environment = { MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' };
    platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { logDestination: { write: () => undefined } });
    await waitFor(async () => (await fetch(`${platform.url}/readyz`)).ok, { timeoutMs: 60_000 });
    const { run: created } = (await mlflow('runs/create', { experiment_id: '0' })) as { run: { info: { artifact_uri: string } } };
    const uri = created.info.artifact_uri;
    await mlflow('registered-models/create', { name: 'risk' });
    for (const version of [1, 2]) {
      const onnx = logisticRegression({ features: ['x'], weights: [1], bias: version, mean: [0], scale: [1] });
      const path = `${uri.replace(/^mlflow-artifacts:\/+/, '')}/v${version}/model.onnx`;
      await fetch(`${platform.url}/api/2.0/mlflow-artifacts/artifacts/${path}`, { method: 'PUT', body: Buffer.from(onnx) });
      await mlflow('model-versions/create', { name: 'risk', source: `${uri}/v${version}` });
    }
    await mlflow('registered-models/alias', { name: 'risk', alias: 'champion', version: '1' });
  }, 120_000);
  afterAll(async () => {
    await platform.close();
    await temp.remove();
  });

  async function mlflow(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${platform.url}/api/2.0/mlflow/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return response.json();
  }
  const millrace = (args: readonly string[], stdin = '') => runCli(platform.url, args, stdin);
  const infer = async (unit: string): Promise<{ status: number; version: string | undefined }> => {
    const inputs = [{ name: 'input', datatype: 'FP32', shape: [1, 1], data: [1] }];
    const response = await fetch(`${platform.url}/v2/models/risk/infer`, {
      method: 'POST',
      body: JSON.stringify({ parameters: { unit }, inputs }),
    });
    return { status: response.status, version: ((await response.json()) as { model_version?: string }).model_version };
  };

  test('two real versions: step by step to all traffic, explained with its numbers, and back at once', async () => {
    expect(await millrace(['apply', '-f', '-'], RESOURCES)).toMatchObject({
      code: 0,
      out: expect.stringContaining('Rollout/risk-v2 created'),
    });
    await waitFor(async () => (await infer('u1')).status === 200, { timeoutMs: 60_000 });
    let index = 0;
    const seen = new Set<string | undefined>();
    const isPromoted = async (): Promise<boolean> => {
      for (let i = 0; i < 20; i++) {
        const { status, version } = await infer(`u${index++ % 60}`);
        expect(status).toBe(200);
        seen.add(version);
      }
      return (await millrace(['rollout', 'get', 'risk-v2'])).out.startsWith('rollout risk-v2 is promoted');
    };
    await waitFor(isPromoted, { timeoutMs: 60_000 });
    expect([...seen].sort()).toEqual(['1', '2']);
    const { code, out } = await millrace(['rollout', 'explain', 'risk-v2']);
    expect(code).toBe(0);
    expect(out).toMatch(/^rollout risk-v2 is promoted: passed: error_rate 0 \(-[\d.]+ to [\d.]+\) from \d+ samples\n/);
    expect(out).toMatch(/#1 \S+ RolloutStarted by inference: risk version 2 against risk version 1\n/);
    expect(out).toMatch(
      /RolloutAdvanced by inference: 80%; passed: error_rate 0 .*\n.*requests of the primary.*\n {5}error_rate passed: .*; n=\d+ sum=0 squares=0/,
    );
    expect((await millrace(['rollout', 'list'])).out).toMatch(/risk-v2 +promoted +risk +canary +models:\/risk\/2 +100% +passed/);
    expect((await infer('anybody')).version).toBe('2');
    expect(await millrace(['rollout', 'abort', 'risk-v2', '--reason', 'a hunch'])).toEqual({
      ...{ code: 0, err: '' },
      out: 'rollout risk-v2 is rolled back: the candidate has 0% of the units\n',
    });
    expect((await infer('anybody')).version).toBe('1');
    const refused = await millrace(['rollout', 'pause', 'risk-v2']);
    expect(refused.code).toBe(EXIT.refused);
    expect(refused.err).toContain('rollout risk-v2 is rolled back (a hunch)');
  }, 180_000);
});
