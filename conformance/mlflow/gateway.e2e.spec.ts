import { embeddedTopology, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { playSession } from './mlflow-sessions.js';

/** The values of secrets that gateway_session.py sends. */
const VALUES = ['sk-first-0f1e2d3c4b5a69788796a5b4c3d2e1f0', 'sk-second-a1b2c3d4e5f60718293a4b5c6d7e8f90'];

describe('MLflow’s own client and the gateway to language models', () => {
  let directory: TempDir;
  let platform: Topology;

  beforeAll(async () => {
    directory = await tempDir('mlflow-gateway');
    platform = await embeddedTopology(directory.path, { MILLRACE_TESTING: '1' });
    await platform.start();
  }, 120_000);

  afterAll(async () => {
    await platform.stop();
    await directory.remove();
  });

  const text = async (path: string, method = 'GET'): Promise<string> => {
    const response = await fetch(`${platform.url}/api/${path}`, { method });
    expect([path, response.status]).toEqual([path, 200]);
    return response.text();
  };
  const ask = async (path: string): Promise<unknown> => JSON.parse(await text(path));

  test('3.17.2 configures it', () => playSession('3.17.2', 'gateway_session.py', platform.url), 600_000);

  test('what was configured is there after a restart, and no value of a secret is in any file', async () => {
    await platform.stop();
    const files = readdirSync(directory.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const holding = (values: readonly string[]) =>
      files
        .map((file) => join(file.parentPath, file.name))
        .filter((path) => {
          const bytes = readFileSync(path);
          return values.some((value) => bytes.includes(value));
        });
    // What is not secret is found this way.
    expect(holding(['gpt-4o-mini'])).not.toEqual([]);
    expect(holding(VALUES)).toEqual([]);
    await platform.start();
    expect(await ask('3.0/mlflow/gateway/endpoints/get?name=talk')).toMatchObject({
      endpoint: { tags: [{ key: 'team', value: 'größe' }], model_mappings: [{ weight: 2 }, { linkage_type: 'FALLBACK' }] },
    });
    const partitions = await Promise.all(
      [...Array(4).keys()].map((partition) => text(`v1/events/millrace.tracking.decisions?partition=${partition}`)),
    );
    const events = partitions.join('');
    expect(events).toContain('GatewaySecretCreated');
    for (const value of VALUES) expect(events).not.toContain(value);
  }, 180_000);

  test('a reset leaves nothing of it', async () => {
    await text('v1/testing/reset', 'POST');
    expect(await ask('3.0/mlflow/gateway/endpoints/list')).toEqual({ endpoints: [] });
    expect(await ask('3.0/mlflow/gateway/secrets/list')).toEqual({ secrets: [] });
  }, 60_000);
});
