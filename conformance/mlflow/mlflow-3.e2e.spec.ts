import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { embeddedTopology, ensureVenv, runCommand, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { join } from 'node:path';

/** What each client is used with. The frameworks are of its own time where a newer one would not work with it. */
const CLIENTS = {
  '2.9.2': ['mlflow==2.9.2', 'sqlalchemy==2.0.58', 'setuptools==75.8.0', 'numpy==1.26.4', 'pandas==2.3.3'],
  '3.17.2': ['mlflow==3.17.2', 'setuptools==75.8.0', 'numpy==2.4.6', 'pandas==3.1.1'],
} as const;

const FRAMEWORKS = [
  'scikit-learn==1.9.1',
  'lightgbm==4.7.0',
  'xgboost-cpu==3.2.0',
  'skl2onnx==1.20.0',
  'onnxmltools==1.16.0',
  'onnxruntime==1.32.0',
  'psutil==7.2.2',
  'matplotlib==3.11.2',
];

describe('MLflow’s own client with the frameworks people use', () => {
  let directory: TempDir;
  let platform: Topology;

  const session = async (version: keyof typeof CLIENTS, script: string) => {
    const venv = await ensureVenv(`mlflow-frameworks-${version}`, [...CLIENTS[version], ...FRAMEWORKS]);
    const output = await runCommand(venv.python, [join(import.meta.dirname, script), platform.url]);
    expect(output).toContain(`"client": "${version}"`);
  };

  beforeAll(async () => {
    directory = await tempDir('mlflow-3');
    platform = await embeddedTopology(directory.path);
    await platform.start();
  }, 120_000);

  afterAll(async () => {
    await platform.stop();
    await directory.remove();
  });

  test.each(Object.keys(CLIENTS) as (keyof typeof CLIENTS)[])(
    '%s logs, registers, loads and evaluates models of scikit-learn, LightGBM, XGBoost and ONNX',
    (version) => session(version, 'frameworks_session.py'),
    900_000,
  );

  test('3.17.2 keeps logged models, prompts and webhooks', () => session('3.17.2', 'logged_models_session.py'), 600_000);

  test('3.17.2 and OpenTelemetry’s exporters keep traces', () => session('3.17.2', 'traces_session.py'), 600_000);

  test(
    '3.17.2 keeps evaluation datasets, scorers and issues, and its UI asks in GraphQL',
    () => session('3.17.2', 'evaluation_session.py'),
    600_000,
  );
});
