import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  embeddedTopology,
  ensureVenv,
  repositoryRoot,
  runCommand,
  tempDir,
  type TempDir,
  type Topology,
  type Venv,
} from '@millrace/testing';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const CLIENT = '3.17.2';

let directory: TempDir;
let platform: Topology;
let mlflow: Venv;

beforeAll(async () => {
  directory = await tempDir('reproduce');
  platform = await embeddedTopology(directory.path);
  await platform.start();
  mlflow = await ensureVenv(`mlflow-${CLIENT}`, [`mlflow-skinny==${CLIENT}`, 'setuptools==75.8.0']);
}, 600_000);

afterAll(async () => {
  await platform.stop();
  await directory.remove();
});

async function train(...args: string[]): Promise<string> {
  const script = join(import.meta.dirname, 'reproduced_training.py');
  const output = await runCommand(mlflow.python, [script, ...args], { env: { MLFLOW_TRACKING_URI: platform.url } });
  return (JSON.parse(output.split('\n').find((line) => line.startsWith('{"run_id"')) ?? output) as { run_id: string }).run_id;
}

/** Not `spawnSync`: while it waits, kept connections are closed by the other side and nobody sees it. */
async function millrace(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const command = [join(repositoryRoot, 'cli/dist/main.js'), '--server', platform.url, 'runs', 'reproduce', ...args];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close') as Promise<[number | null]>]);
  return { code, out, err };
}

interface Reproduced {
  readonly reproducedBy: string;
  readonly reproduced: boolean;
  readonly differences: readonly { readonly kind: string; readonly name: string }[];
}

describe('a run that logged its code, command and environment', () => {
  let runId: string;

  beforeAll(async () => {
    runId = await train('--alpha', '0.25');
  }, 120_000);

  test('says what it takes to run it again', async () => {
    const { code, out } = await millrace(runId);
    expect(out).toMatch(/command +python reproduced_training.py --alpha 0.25 +\(tag millrace.entryPoint\)/);
    expect(out).toMatch(new RegExp(`environment +code/requirements.txt[^]*mlflow-skinny==${CLIENT}`));
    expect(out).toMatch(/dataset +march@a1b2c3 for training, http/);
    expect(out).not.toContain('MISSING');
    expect(code).toBe(0);
  });

  test('is run again in an environment of its own, and is the same', async () => {
    const { code, out, err } = await millrace(runId, '--run', '-o', 'json');
    expect([code, code === 0 ? '' : err]).toEqual([0, '']);
    const { reproducedBy, reproduced } = JSON.parse(out) as Reproduced;
    expect(reproduced).toBe(true);
    const response = await fetch(`${platform.url}/api/2.0/mlflow/runs/get?run_id=${reproducedBy}`);
    const { run } = (await response.json()) as { run: { info: { status: string }; data: { tags: { key: string; value: string }[] } } };
    expect(run.info.status).toBe('FINISHED');
    expect(run.data.tags).toContainEqual({ key: 'millrace.reproduces', value: runId });
  }, 600_000);
});

test('a run that is another every time is told apart, unless the tolerance lets it pass', async () => {
  const runId = await train('--noise');
  const { code, out, err } = await millrace(runId, '--run', '--python', mlflow.python, '-o', 'json');
  expect([code, err]).toEqual([1, expect.any(String)]);
  expect(JSON.parse(out)).toMatchObject({ reproduced: false, differences: [{ kind: 'metric', name: 'loss' }] });
  expect((await millrace(runId, '--run', '--python', mlflow.python, '--tolerance', '0.9')).out).toMatch(/reproduces .* within 0.9/);
}, 600_000);

test('a run that logged nothing of it cannot be run again, and the mends are named', async () => {
  const created = await fetch(`${platform.url}/api/2.0/mlflow/runs/create`, {
    method: 'POST',
    body: JSON.stringify({ experiment_id: '0' }),
  });
  const { run } = (await created.json()) as { run: { info: { run_id: string } } };
  const { code, out } = await millrace(run.info.run_id, '--run');
  expect(code).toBe(1);
  expect(out).toMatch(/MISSING +the code was not logged: mlflow.log_artifact/);
  expect(out).toMatch(/MISSING +nothing says what to start: set the tag millrace.entryPoint/);
  expect(out).toMatch(/MISSING +no requirements.txt/);
});

test('the environment of a model that MLflow 3 keeps beside the run is the run’s', async () => {
  const post = async <T>(path: string, body: object): Promise<T> => {
    const response = await fetch(`${platform.url}/api/2.0/mlflow/${path}`, { method: 'POST', body: JSON.stringify(body) });
    expect([path, response.status]).toEqual([path, 200]);
    return (await response.json()) as T;
  };
  const { run } = await post<{ run: { info: { run_id: string } } }>('runs/create', { experiment_id: '0' });
  const { run_id } = run.info;
  const { model } = await post<{ model: { info: { model_id: string; artifact_uri: string } } }>('logged-models', {
    ...{ experiment_id: '0', name: 'delay', source_run_id: run_id },
  });
  const { model_id, artifact_uri } = model.info;
  const folder = artifact_uri.replace(/^mlflow-artifacts:\/+/, '');
  for (const [file, body] of Object.entries({ 'requirements.txt': 'numpy==2.1.0\n', 'python_env.yaml': 'python: 3.11.7\n' })) {
    const stored = await fetch(`${platform.url}/api/2.0/mlflow-artifacts/artifacts/${folder}/${file}`, { method: 'PUT', body });
    expect(stored.status).toBe(200);
  }
  await post('runs/outputs', { run_id, models: [{ model_id, step: 0 }] });
  const { out } = await millrace(run_id);
  expect(out).toMatch(new RegExp(`environment +models/${model_id}/requirements.txt, Python 3.11.7[^]*numpy==2.1.0`));
  expect(out).not.toMatch(/MISSING +no requirements.txt/);
});
