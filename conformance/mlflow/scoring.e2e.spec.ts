import { embeddedTopology, tempDir } from '@millrace/testing';
import { test } from '@jest/globals';
import { playSession } from './mlflow-sessions.js';

test('a deployment scores as mlflow models serve does', async () => {
  await using directory = await tempDir('mlflow-scoring');
  const platform = await embeddedTopology(directory.path);
  await platform.start();
  try {
    await playSession('3.17.2', 'scoring_session.py', platform.url);
  } finally {
    await platform.stop();
  }
}, 900_000);
