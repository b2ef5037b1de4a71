import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { logisticRegression } from '@millrace/onnx';
import { embeddedTopology, ensureVenv, repositoryRoot, runCommand, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const CLIENT = '3.17.2';

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Policy
metadata: {name: champions}
spec:
  models: [delay]
  aliases: [champion]
  approvers: [bob, bea]
  approvals: 2
  checks:
    - {name: validation, type: reported, recorders: [ci]}
    - {name: brier, type: metric, metric: brier, better: lower}
    - {name: licence, type: licence, allowed: [Apache-2.0, MIT]}
    - {name: card, type: modelCard}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: delays}
spec: {model: models:/delay@champion}
`;

let directory: TempDir;
let platform: Topology;

beforeAll(async () => {
  directory = await tempDir('governance');
  platform = await embeddedTopology(directory.path);
  await platform.start();
}, 180_000);

afterAll(async () => {
  await platform.stop();
  await directory.remove();
});

/** The command, as a person would give it. */
function millrace(actor: string, ...args: string[]): { code: number | null; out: string } {
  const command = [join(repositoryRoot, 'cli/dist/main.js'), '--server', platform.url, '--timeout', '120', '--as', actor, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  return { code: status, out: `${stdout}${stderr}` };
}

/** Trains and registers with MLflow's own client; the bias makes each version's bytes its own. */
async function train(brier: number): Promise<{ version: string; refusal: string }> {
  const venv = await ensureVenv(`mlflow-${CLIENT}`, [`mlflow-skinny==${CLIENT}`, 'setuptools==75.8.0']);
  const file = join(directory.path, 'model.onnx');
  await writeFile(
    file,
    logisticRegression({ features: ['distance', 'hour'], weights: [0.5, -0.25], bias: brier, mean: [0, 0], scale: [1, 1] }),
  );
  const output = await runCommand(venv.python, [join(import.meta.dirname, 'governance_session.py'), platform.url, file, String(brier)]);
  const answer = output.split('\n').find((line) => line.startsWith('{"version"'));
  return JSON.parse(answer ?? output) as { version: string; refusal: string };
}

async function served(): Promise<string | undefined> {
  const response = await fetch(`${platform.url}/v2/models/delays/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: [{ name: 'input', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] }),
  });
  return ((await response.json()) as { model_version?: string }).model_version;
}

test('train, register, request, a failed check, a fixed version, two approvals, promotion, deployment, rollback; the audit tells it back', async () => {
  await writeFile(join(directory.path, 'resources.yaml'), RESOURCES);
  expect(millrace('admin', 'apply', '-f', join(directory.path, 'resources.yaml')).code).toBe(0);

  const first = await train(0.2);
  expect(first).toEqual({
    version: '1',
    refusal: expect.stringMatching(/^PERMISSION_DENIED.*millrace models request .* 1 --alias champion/s),
  });
  expect(millrace('ann', 'models', 'request', 'delay', '1', '--alias', 'champion', '--reason', 'first try').out).toContain(
    '2 more approvals needed',
  );
  expect(millrace('ci', 'models', 'check', 'delay', '1', '--failed', '--detail', '3 of 40 expectations failed')).toMatchObject({ code: 1 });
  expect(millrace('ann', 'models', 'approve', 'delay', '1')).toMatchObject({
    code: 4,
    out: expect.stringContaining('somebody else has to decide'),
  });
  for (const actor of ['bob', 'bea'])
    expect(millrace(actor, 'models', 'approve', 'delay', '1').out).toContain('check validation failed: 3 of 40');
  expect(millrace('bob', 'models', 'reject', 'delay', '1', '--reason', 'validation failed').out).toContain('rejected');

  expect((await train(0.15)).version).toBe('2');
  expect(millrace('ci', 'models', 'check', 'delay', '2', '--passed').code).toBe(0);
  expect(millrace('ann', 'models', 'request', 'delay', '2', '--alias', 'champion', '--reason', 'fixed').code).toBe(0);
  expect(millrace('bob', 'models', 'approve', 'delay', '2').out).toContain('1 more approval needed (given by bob)');
  expect(millrace('bea', 'models', 'approve', 'delay', '2').out).toContain('is promoted');
  await waitFor(async () => (await served()) === '2', { timeoutMs: 60_000 });

  expect((await train(0.1)).version).toBe('3');
  millrace('ci', 'models', 'check', 'delay', '3', '--passed');
  millrace('ann', 'models', 'request', 'delay', '3', '--alias', 'champion', '--reason', 'better');
  millrace('bob', 'models', 'approve', 'delay', '3');
  expect(millrace('bea', 'models', 'approve', 'delay', '3').out).toContain('is promoted');
  await waitFor(async () => (await served()) === '3', { timeoutMs: 60_000 });

  expect(millrace('ann', 'models', 'rollback', 'delay', '--reason', 'late flights were missed').out).toContain(
    '@champion is version 2 again',
  );
  await waitFor(async () => (await served()) === '2', { timeoutMs: 60_000 });

  const trail = millrace('ann', 'audit', '--model', 'delay')
    .out.trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditLine);
  // What was found before is recorded again before a promotion when it is a minute old.
  const isAgain = ({ type, actor }: AuditLine): boolean => type === 'VersionChecked' && actor === 'millrace';
  const told = trail
    .filter((one) => one.type !== 'VersionRegistered' && !one.type.startsWith('Model') && !isAgain(one))
    .map(({ actor, type, data, reason }) => [actor, type, data.check ?? data.version ?? data.request, reason]);
  const evaluated = ['brier', 'licence', 'card'].map((check) => ['ann', 'VersionChecked', check, null]);
  const promoted = (reason: string) =>
    expect.stringMatching(new RegExp(`^${reason} .*asked for by ann; approved by bea, bob; policy champions`));
  expect(told).toEqual([
    ['ann', 'PromotionRequested', 1, 'first try'],
    ...evaluated,
    ['ci', 'VersionChecked', 'validation', null],
    ['bob', 'PromotionApproved', 1, null],
    ['bea', 'PromotionApproved', 1, null],
    ['bob', 'PromotionRejected', 1, 'validation failed'],
    ['ci', 'VersionChecked', 'validation', null],
    ['ann', 'PromotionRequested', 2, 'fixed'],
    ...evaluated,
    ['bob', 'PromotionApproved', 2, null],
    ['bea', 'PromotionApproved', 2, null],
    ['millrace', 'AliasAssigned', 2, promoted('fixed')],
    ['ci', 'VersionChecked', 'validation', null],
    ['ann', 'PromotionRequested', 3, 'better'],
    ...evaluated,
    ['bob', 'PromotionApproved', 3, null],
    ['bea', 'PromotionApproved', 3, null],
    ['millrace', 'AliasAssigned', 3, promoted('better')],
    ['ann', 'AliasAssigned', 2, 'late flights were missed'],
  ]);
  const compared = trail.filter((one) => one.data.check === 'brier' && !isAgain(one)).map(({ data }) => [data.version, data.against]);
  expect(compared).toEqual([
    [1, null],
    [2, null],
    [3, 2],
  ]);
}, 600_000);

interface AuditLine {
  readonly actor: string;
  readonly type: string;
  readonly reason: string | null;
  readonly data: { readonly check?: string; readonly version?: number; readonly request?: number; readonly against?: number | null };
}
