import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { logisticRegression } from '@millrace/onnx';
// eslint-disable-next-line @nx/enforce-module-boundaries -- what the command talks to is a real platform; only this test starts one
import { platformConfig, PlatformModule } from '@millrace/platform';
// eslint-disable-next-line @nx/enforce-module-boundaries -- as above
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
// eslint-disable-next-line @nx/enforce-module-boundaries -- as above
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT } from './cli-error.js';
import { run } from './run.js';

const MODEL = logisticRegression({ features: ['a', 'b'], weights: [1, -1], bias: 0, mean: [0, 0], scale: [1, 1] });

describe('millrace batch', () => {
  let temp: TempDir;
  let platform: RunningService;

  beforeAll(async () => {
    temp = await tempDir('cli-batch');
    const environment = {
      MILLRACE_DATA_DIR: join(temp.path, 'data'),
      MILLRACE_PORT: '0',
      MILLRACE_GRPC_PORT: '0',
      MILLRACE_CLICKHOUSE_PORT: '0',
      MILLRACE_LOG_LEVEL: 'error',
    };
    platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { service: 'platform' });
    await waitFor(async () => (await fetch(`${platform.url}/readyz`)).ok, { what: 'readiness', timeoutMs: 60_000 });
    const ask = async (method: string, path: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> => {
      const response = await fetch(`${platform.url}${path}`, { method, body });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    };
    await ask('PUT', '/api/2.0/mlflow-artifacts/artifacts/exported/model.onnx', new Uint8Array(MODEL));
    await ask('POST', '/api/2.0/mlflow/registered-models/create', JSON.stringify({ name: 'odds' }));
    const source = 'mlflow-artifacts:/exported/model.onnx';
    await ask('POST', '/api/2.0/mlflow/model-versions/create', JSON.stringify({ name: 'odds', source }));
  }, 180_000);
  afterAll(async () => {
    await platform.close();
    await temp.remove();
  });

  async function millrace(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    let [out, err] = ['', ''];
    const code = await run(['batch', ...args], {
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      stdin: () => Promise.resolve(''),
      environment: { MILLRACE_URL: platform.url },
      isInteractive: true,
      interrupted: new AbortController().signal,
    });
    return { code, out, err };
  }

  test('runs, shows and lists jobs, and brings the output', async () => {
    const csv = join(temp.path, 'rows.csv');
    const to = join(temp.path, 'scored.parquet');
    await writeFile(csv, 'id,a,b\n1,0,0\n2,100,0\n3,0,100\n');
    const scored = await millrace(
      'run',
      '--model',
      'models:/odds/1',
      '--file',
      csv,
      '--outputs',
      'label',
      '--keep',
      'id',
      '--table',
      '--to',
      to,
    );
    expect(scored).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^batch job \w{32} of odds\/1 is completed; 3 of 3 rows scored, 0 failed; /),
    });
    expect((await readFile(to)).subarray(0, 4).toString()).toBe('PAR1');
    const id = /batch job (\w+)/.exec(scored.out)?.[1] ?? '';
    const table = await platform.host.offline.query(
      `SELECT toInt32(id) AS id, toInt32(label) AS label FROM millrace.batch_job_${id} ORDER BY _row`,
    );
    expect(table).toEqual([
      { id: 1, label: 1 },
      { id: 2, label: 1 },
      { id: 3, label: 0 },
    ]);
    const got = await millrace('get', id, '-o', 'json');
    expect(JSON.parse(got.out)).toMatchObject({ id, status: 'completed', model: 'odds', input: { kind: 'file', format: 'csv' } });
    expect((await millrace('list', '--status', 'completed')).out).toMatch(new RegExp(`^ID .*\\n${id} +completed +odds/1 +3/3 +0 `));
    expect(await millrace('cancel', id)).toMatchObject({ code: EXIT.refused, err: expect.stringContaining('is completed') });
    expect(await millrace('delete-output', id)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/is completed; .*; its output was deleted at 20/),
    });
    expect(await millrace('get', id, '--to', to)).toMatchObject({ code: EXIT.refused, err: expect.stringContaining('was deleted at') });
  }, 120_000);

  test('says what is amiss with the request', async () => {
    const query = 'SELECT 1 AS a, 2 AS b';
    expect(await millrace('run', '--model', 'models:/odds/1', '--query', query, '--wait')).toMatchObject({ code: 0 });
    const missing = await millrace('run', '--model', 'models:/odds/1', '--query', 'SELECT 1 AS a');
    expect(missing).toMatchObject({ code: EXIT.refused, err: expect.stringContaining('there is no column "b"') });
    expect(await millrace('run', '--model', 'models:/odds/1')).toMatchObject({
      code: EXIT.usage,
      err: expect.stringContaining('one of --query'),
    });
    expect((await millrace('get', 'none')).err).toContain('there is no batch job none');
    const before = (await millrace('list')).out;
    const unkept = await millrace(
      'run',
      '--model',
      'models:/odds/1',
      '--query',
      'SELECT 5 AS a, 2 AS b',
      '--to',
      '/nowhere/at/all.parquet',
    );
    expect(unkept).toMatchObject({ code: EXIT.usage, err: expect.stringContaining('--to /nowhere/at/all.parquet cannot be written') });
    expect((await millrace('list')).out).toBe(before);
  }, 120_000);
});
