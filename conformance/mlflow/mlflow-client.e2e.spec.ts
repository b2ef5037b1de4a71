import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { embeddedTopology, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { CLIENT_VERSIONS, playSession } from './mlflow-sessions.js';

describe('MLflow’s own client', () => {
  let directory: TempDir;
  let platform: Topology;

  beforeAll(async () => {
    directory = await tempDir('mlflow');
    platform = await embeddedTopology(directory.path);
    await platform.start();
  }, 120_000);

  afterAll(async () => {
    await platform.stop();
    await directory.remove();
  });

  test.each(CLIENT_VERSIONS)('%s does a whole session', (version) => playSession(version, 'client_session.py', platform.url), 600_000);
});
