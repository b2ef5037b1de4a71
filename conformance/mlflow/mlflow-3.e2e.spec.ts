import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { embeddedTopology, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { CLIENT_VERSIONS, playSession, type ClientVersion } from './mlflow-sessions.js';

describe('MLflow’s own client with the frameworks people use', () => {
  let directory: TempDir;
  let platform: Topology;

  const session = (version: ClientVersion, script: string) => playSession(version, script, platform.url);

  beforeAll(async () => {
    directory = await tempDir('mlflow-3');
    platform = await embeddedTopology(directory.path);
    await platform.start();
  }, 120_000);

  afterAll(async () => {
    await platform.stop();
    await directory.remove();
  });

  test.each(CLIENT_VERSIONS)(
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
