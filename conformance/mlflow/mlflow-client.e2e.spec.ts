import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { embeddedTopology, ensureVenv, runCommand, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { join } from 'node:path';

/** The versions whose client has to work unchanged: the one this API is of, and a current one. */
const CLIENTS = ['2.9.2', '3.17.2'];

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

  test.each(CLIENTS)(
    '%s does a whole session',
    async (version) => {
      const venv = await ensureVenv(`mlflow-${version}`, [`mlflow-skinny==${version}`, 'setuptools==75.8.0']);
      const output = await runCommand(venv.python, [join(import.meta.dirname, 'client_session.py'), platform.url]);
      expect(output).toContain(`"client": "${version}"`);
    },
    600_000,
  );
});
