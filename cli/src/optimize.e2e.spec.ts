import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readModel, writeModel } from '@millrace/onnx';
import { classifier, moveWeightsOut, perceptron } from '@millrace/onnx/testing';
// eslint-disable-next-line @nx/enforce-module-boundaries -- what the command talks to is a real platform; only this test starts one
import { embeddedTopology, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT } from './cli-error.js';
import { runCli } from './testing/run-cli.js';

const COLUMNS = 16;
const ROWS = 256;
/** Of a shared machine a test says nothing about time; that is measured by `npm run bench -- optimize`. */
const ANY_TIME = ['--max-latency-ratio', '1e9'];
const ML_MODEL = 'flavors:\n  onnx:\n    data: model.onnx\nmodel_size_bytes: 1\n';

interface Version {
  readonly version: string;
  readonly source: string;
  readonly description: string;
  readonly run_id?: string;
  readonly tags?: readonly { readonly key: string; readonly value: string }[];
}

describe('millrace models optimize', () => {
  let temp: TempDir;
  let platform: Topology;
  const { bytes, rows, classes } = classifier({ sizes: [COLUMNS, 128, 128, 4], rows: ROWS, noise: 0.4 });
  const values = rows[0]!.data as Float32Array;

  beforeAll(async () => {
    temp = await tempDir('cli-optimize');
    platform = await embeddedTopology(join(temp.path, 'data'));
    await platform.start();
    await mlflow('registered-models/create', { name: 'towns' });
    await put('models/towns/1/model.onnx', bytes);
    await put('models/towns/1/MLmodel', Buffer.from(ML_MODEL));
    await mlflow('model-versions/create', { name: 'towns', source: 'mlflow-artifacts:/models/towns/1' });
    await mlflow('registered-models/alias', { name: 'towns', alias: 'champion', version: '1' });
  }, 120_000);
  afterAll(async () => {
    await platform.stop();
    await temp.remove();
  });

  const millrace = (...args: string[]) => runCli(platform.url, ['models', ...args]);

  async function ask<T>(method: string, path: string, body?: string | Uint8Array<ArrayBuffer>): Promise<T> {
    const response = await fetch(`${platform.url}${path}`, { method, ...(body === undefined ? {} : { body }) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text || '{}') as T;
  }
  const mlflow = <T>(path: string, body: object): Promise<T> => ask('POST', `/api/2.0/mlflow/${path}`, JSON.stringify(body));
  const put = (path: string, file: Uint8Array): Promise<unknown> =>
    ask('PUT', `/api/2.0/mlflow-artifacts/artifacts/${path}`, Uint8Array.from(file));
  const versions = async (): Promise<Version[]> => {
    const found = await ask<{ model_versions: Version[] }>('GET', `/api/2.0/mlflow/model-versions/search?filter=name%3D'towns'`);
    return found.model_versions.sort((a, b) => Number(a.version) - Number(b.version));
  };
  const infer = async (version: number, from: number, count: number): Promise<{ labels: number[]; predictionId: string }> => {
    const data = Array.from(values.subarray(from * COLUMNS, (from + count) * COLUMNS));
    const body = JSON.stringify({ inputs: [{ name: 'x', shape: [count, COLUMNS], datatype: 'FP32', data }] });
    interface Reply {
      readonly outputs: { name: string; data: number[] }[];
      readonly parameters: { prediction_id: string };
    }
    const answer = () => ask<Reply>('POST', `/v2/models/towns/versions/${version}/infer`, body);
    const reply = await waitFor(() => answer().catch(() => false as const), { what: `version ${version} to be served` });
    return { labels: reply.outputs.find(({ name }) => name === 'label')!.data, predictionId: reply.parameters.prediction_id };
  };

  test('with nothing on the prediction log it says what to give instead; made-up rows come with a warning', async () => {
    const none = await millrace('optimize', 'towns', '--dynamic-int8');
    expect(none).toMatchObject({ code: EXIT.found, out: '' });
    expect(none.err).toContain('there are no rows of towns in the prediction log. Give --rows FILE, or --random-rows 1000');
    const random = await millrace('optimize', 'towns', '--weights', 'fp16', '--random-rows', '200', '--dry-run', ...ANY_TIME);
    expect(random.code).toBe(0);
    expect(random.err).toContain('warning: measured on made-up rows');
    expect(random.out).toContain('measured on 200 made-up rows');
    expect(await versions()).toHaveLength(1);
  });

  test('what the gateway was asked measures the new version, which is registered, served, and known to come of its parent', async () => {
    for (let from = 0; from < ROWS; from += 32) {
      const { predictionId } = await infer(1, from, 32);
      const labels = classes.slice(from, from + 32).map((value, row) => ({ predictionId, row, value }));
      await ask('POST', '/api/v1/deployments/towns/labels', JSON.stringify(labels));
    }
    await waitFor(async () => (await millrace('rows', 'towns', '--to', join(temp.path, 'rows.jsonl'))).out.startsWith(`${ROWS} rows`));
    const done = await millrace('optimize', 'towns@champion', '--dynamic-int8', '--per-channel', '-o', 'json', ...ANY_TIME);
    expect(done.err).toBe('');
    expect(done.code).toBe(0);
    const result = JSON.parse(done.out) as {
      measured: Record<string, number> & { truth: { rows: number; what: string; parent: number; child: number } };
      failures: unknown[];
      registered: object;
    };
    expect(result).toMatchObject({ failures: [], registered: { version: 2, isNew: true }, rowsFrom: `${ROWS} rows of the prediction log` });
    expect(result.measured['rows']).toBe(ROWS);
    expect(result.measured['agreement']).toBeGreaterThanOrEqual(0.99);
    expect(result.measured['sizeRatio']).toBeLessThan(0.35);
    const { truth } = result.measured;
    expect(truth).toMatchObject({ rows: ROWS, what: 'accuracy' });
    expect(truth.parent).toBeGreaterThan(0.9);
    expect(Math.abs(truth.child - truth.parent)).toBeLessThanOrEqual(0.01);

    const [, child] = await versions();
    const tags = new Map(child!.tags!.map(({ key, value }) => [key, value]));
    expect(tags.get('millrace.derived_from')).toBe('models:/towns/1');
    expect(JSON.parse(tags.get('millrace.optimization') ?? '')).toMatchObject({ method: 'dynamic-int8', rows: ROWS });
    expect(await ask('GET', '/api/v1/models/towns/versions/2/checks')).toMatchObject({ checks: [{ check: 'optimization', passed: true }] });
    expect(await ask('GET', '/api/v1/lineage?node=version:towns/2&direction=upstream')).toMatchObject({
      edges: [{ from: 'version:towns/1', to: 'version:towns/2' }],
    });
    const { files } = await ask<{ files: { path: string; size: number }[] }>('GET', '/api/v1/models/towns/versions/2/files');
    expect(files.map(({ path }) => path).sort()).toEqual(['MLmodel', 'model.onnx']);
    const descriptor = await (await fetch(`${platform.url}/api/v1/models/towns/versions/2/files/MLmodel`)).text();
    expect(descriptor).toContain(`model_size_bytes: ${files.find(({ path }) => path === 'model.onnx')!.size}\n`);
    expect((await infer(2, 0, 64)).labels).toEqual((await infer(1, 0, 64)).labels);
  });

  test('the same again is the version that is there', async () => {
    const again = await millrace('optimize', 'towns@1', '--dynamic-int8', '--per-channel', ...ANY_TIME);
    expect(again).toMatchObject({ code: 0, err: '' });
    expect(again.out).toContain('towns version 2 is the same already\n');
    expect(await versions()).toHaveLength(2);
  });

  test('what the gate refuses is not registered, and every bound it breaks is told', async () => {
    const refused = await millrace('optimize', 'towns@1', '--prune', '0.03', '--min-rows', '1000', ...ANY_TIME);
    expect(refused.code).toBe(EXIT.found);
    expect(refused.out).toMatch(/refused: \d+ rows are fewer than the 1000 it takes\n/);
    expect(refused.out).toMatch(/refused: [\d.]+ % of the labels agree, at least 99 % have to\n/);
    expect(refused.out).toMatch(/accuracy on 256 rows with a label: [\d.]+ % before, [\d.]+ % now\n/);
    expect(refused.out).toContain('nothing was registered; towns version 1 stays as it is\n');
    expect(await versions()).toHaveLength(2);
  });

  test('a model that was made elsewhere goes through the same gate, with the run that made it', async () => {
    const file = join(temp.path, 'elsewhere.onnx');
    const model = readModel(bytes);
    model.producerName = 'elsewhere';
    await writeFile(file, writeModel(model));
    const { run: made } = await mlflow<{ run: { info: { run_id: string } } }>('runs/create', { experiment_id: '0' });
    const args = ['--candidate', file, '--method', 'static-qdq', '--run', made.info.run_id, '--rows', join(temp.path, 'rows.jsonl')];
    const done = await millrace('optimize', 'towns@1', ...args, '--max-size-ratio', '1.1', ...ANY_TIME);
    expect(done).toMatchObject({ code: 0, err: '' });
    expect((await versions())[2]).toMatchObject({ version: '3', run_id: made.info.run_id });
    const apart = moveWeightsOut(writeModel(model), 'elsewhere.data');
    await writeFile(file, apart.graph);
    await writeFile(join(temp.path, 'elsewhere.data'), apart.file);
    expect((await millrace('optimize', 'towns@1', ...args, '--max-size-ratio', '1.1', ...ANY_TIME)).out).toContain('is the same already');
    const nowhere = await millrace('optimize', 'towns@1', ...args.with(5, 'nosuchrun'), ...ANY_TIME);
    expect([nowhere.code, nowhere.err]).toEqual([EXIT.refused, expect.stringMatching(/--run "nosuchrun" is no run of http/)]);
    const other = perceptron({ sizes: [COLUMNS, 3] });
    await writeFile(file, writeModel(other));
    const refused = await millrace('optimize', 'towns@1', '--candidate', file);
    expect(refused).toMatchObject({ code: EXIT.found, out: '' });
    expect(refused.err).toContain('has the outputs scores FP32, its parent label INT64, scores FP32; they have to be the same');
    await writeFile(file, 'no model');
    expect((await millrace('optimize', 'towns@1', '--candidate', file)).err).toContain('the bytes are not an ONNX model');
    expect(await versions()).toHaveLength(3);
  });

  test('rows are written as they are read, with the answers', async () => {
    const [first] = (await readFile(join(temp.path, 'rows.jsonl'), 'utf8')).split('\n');
    expect(JSON.parse(first ?? '')).toMatchObject({ inputs: { x: expect.any(Array) }, outputs: { label: expect.any(Number) } });
    const { out } = await millrace('rows', 'towns', '--most', '3');
    expect(out.trim().split('\n')).toHaveLength(3);
  });

  test('figures of made-up rows give way to those of real ones, and not the other way round', async () => {
    const fp16 = (...args: string[]) => millrace('optimize', 'towns@1', '--weights', 'fp16', ...args, ...ANY_TIME);
    const told = async (): Promise<[string, string]> => {
      const [, , , { description, tags = [] } = { description: '' }] = await versions();
      const { rowsFrom } = JSON.parse(tags.find(({ key }) => key === 'millrace.optimization')?.value ?? '{}') as { rowsFrom: string };
      return [rowsFrom, /on \d+ rows$/.exec(description)?.[0] ?? description];
    };
    expect((await fp16('--random-rows', '300')).out).toContain('towns version 4 registered');
    expect(await told()).toEqual(['300 made-up rows', 'on 300 rows']);
    const rows = ['--rows', join(temp.path, 'rows.jsonl')];
    for (const args of [rows, ['--random-rows', '300']]) {
      expect((await fp16(...args)).out).toContain('towns version 4 is the same already');
      expect(await told()).toEqual([expect.stringMatching(/^256 rows of .*rows.jsonl$/), 'on 256 rows']);
    }
    const { checks } = await ask<{ checks: { evidence: object }[] }>('GET', '/api/v1/models/towns/versions/4/checks');
    expect(checks).toMatchObject([{ check: 'optimization', evidence: { rows: 256 } }]);
    const newest = await millrace('optimize', 'towns', '--clean');
    expect(newest.err).toContain('clean already; version 4 is made of version 1 itself: say towns@1 for that one');
  });

  test('a version with its weights in a file of their own is served and optimized; its child has them inside', async () => {
    const { graph, file } = moveWeightsOut(bytes, 'weights.data');
    for (const [name, part] of Object.entries({ 'model.onnx': graph, 'weights.data': file, MLmodel: Buffer.from(ML_MODEL) }))
      await put(`models/towns/apart/${name}`, part);
    const source = 'mlflow-artifacts:/models/towns/apart';
    const { model_version: made } = await mlflow<{ model_version: Version }>('model-versions/create', { name: 'towns', source });
    const apart = Number(made.version);
    expect((await infer(apart, 0, 64)).labels).toEqual((await infer(1, 0, 64)).labels);
    const card = await ask<{ inputs: object[] }>('GET', `/api/v1/models/towns/versions/${apart}/card?format=json`);
    expect(card.inputs).toEqual([{ name: 'x', type: `FP32[-1, ${COLUMNS}]` }]);
    const rows = ['--rows', join(temp.path, 'rows.jsonl')];
    const done = await millrace('optimize', `towns@${apart}`, '--weights', 'int8', ...rows, ...ANY_TIME);
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(done.out).toContain(`towns version ${apart + 1} registered, derived from version ${apart}`);
    const { files } = await ask<{ files: { path: string }[] }>('GET', `/api/v1/models/towns/versions/${apart + 1}/files`);
    expect(files.map(({ path }) => path).sort()).toEqual(['MLmodel', 'model.onnx']);
  });

  test('weights that many tensors name count for each of them: what would not fit into a graph is refused with the reason', async () => {
    const { graph, file } = moveWeightsOut(bytes, 'weights.data');
    const model = readModel(graph);
    const externalData = [{ key: 'location', value: 'weights.data' }];
    for (let index = 0; index < 300; index++)
      model.graph!.initializer!.push({ name: `again${index}`, dims: [8 << 20], dataType: 2, dataLocation: 1, externalData });
    const large = Buffer.concat([file, Buffer.alloc((8 << 20) - file.length)]);
    for (const [name, part] of Object.entries({ 'model.onnx': writeModel(model), 'weights.data': large, MLmodel: Buffer.from(ML_MODEL) }))
      await put(`models/towns/many/${name}`, part);
    const source = 'mlflow-artifacts:/models/towns/many';
    const { model_version: made } = await mlflow<{ model_version: Version }>('model-versions/create', { name: 'towns', source });
    const { code, err } = await millrace('optimize', `towns@${made.version}`, '--clean');
    expect([code, err]).toEqual([
      EXIT.refused,
      expect.stringContaining(`towns version ${made.version}: with the weights in the files beside it`),
    ]);
  });

  test('wrong usage is told before anything is done', async () => {
    const cases: [string[], string][] = [
      [[], 'say what is to be done'],
      [['--prune', '1'], '--prune is the share of hidden units to keep'],
      [['--per-channel', '--clean'], '--per-channel and --reduce-range are of --dynamic-int8'],
      [['--clean', '--min-agreement', '2'], '--min-agreement 2 is not a number from 0 to 1'],
    ];
    for (const [args, text] of cases) {
      const { code, err } = await millrace('optimize', 'towns', ...args);
      expect([code, err]).toEqual([EXIT.usage, expect.stringContaining(text)]);
    }
    expect(await millrace('optimize', 'nothing', '--clean')).toMatchObject({ code: EXIT.refused });
    expect((await millrace('optimize', 'towns@1', '--clean')).err).toContain('clean: the graph is clean already');
  });
});
