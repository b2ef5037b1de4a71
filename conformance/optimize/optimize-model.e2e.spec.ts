import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AttributeType, measureModels, optimizeModel, readModel, writeModel } from '@millrace/onnx';
import { openModel } from '@millrace/onnx/runtime';
import { classifier } from '@millrace/onnx/testing';
import {
  embeddedTopology,
  ensureVenv,
  repositoryRoot,
  runCommand,
  tempDir,
  waitFor,
  type TempDir,
  type Topology,
  type Venv,
} from '@millrace/testing';
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const QUANTIZER = ['onnxruntime==1.32.0', 'onnx==1.23.2', 'numpy==2.4.6', 'mlflow-skinny==3.17.2', 'setuptools==75.8.0'];
const COLUMNS = 16;
const ROWS = 640;
/** Of a shared machine a test says nothing about time. */
const ANY_TIME = ['--max-latency-ratio', '1e9'];

describe('models optimized by Python', () => {
  let directory: TempDir;
  let platform: Topology;
  let python: Venv;
  const { bytes, rows } = classifier({ sizes: [COLUMNS, 256, 128, 4], rows: ROWS, noise: 0.4 });
  const file = (name: string): string => join(directory.path, name);

  beforeAll(async () => {
    directory = await tempDir('optimize');
    python = await ensureVenv('quantizer', QUANTIZER);
    platform = await embeddedTopology(file('data'));
    await platform.start();
    await mlflow('registered-models/create', { name: 'towns' });
    await ask('PUT', '/api/2.0/mlflow-artifacts/artifacts/models/towns/1/model.onnx', Uint8Array.from(bytes));
    await mlflow('model-versions/create', { name: 'towns', source: 'mlflow-artifacts:/models/towns/1' });
    await writeFile(file('model.onnx'), bytes);
    const values = rows[0]!.data as Float32Array;
    for (let from = 0; from < ROWS; from += 32) {
      const data = Array.from(values.subarray(from * COLUMNS, (from + 32) * COLUMNS));
      const body = JSON.stringify({ inputs: [{ name: 'x', shape: [32, COLUMNS], datatype: 'FP32', data }] });
      await waitFor(
        () =>
          ask('POST', '/v2/models/towns/versions/1/infer', body).then(
            () => true,
            () => false,
          ),
        { what: 'an answer' },
      );
    }
    await waitFor(async () => millrace('rows', 'towns', '--to', file('rows.jsonl')).out.startsWith(`${ROWS} rows`));
  }, 600_000);
  afterAll(async () => {
    await platform.stop();
    await directory.remove();
  });

  async function ask(method: string, path: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> {
    const response = await fetch(`${platform.url}${path}`, { method, body });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  }
  const mlflow = (path: string, body: object): Promise<void> => ask('POST', `/api/2.0/mlflow/${path}`, JSON.stringify(body));

  function millrace(...args: string[]): { code: number | null; out: string } {
    const command = [join(repositoryRoot, 'cli/dist/main.js'), '--server', platform.url, 'models', ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
    return { code: status, out: `${stdout}${stderr}` };
  }

  /** Runs one of the examples as a recorded run and gives its id. */
  async function recorded(script: string, ...args: string[]): Promise<string> {
    const output = await runCommand(python.python, [join(repositoryRoot, 'examples/optimize', script), ...args], {
      env: { MLFLOW_TRACKING_URI: platform.url },
    });
    return /^run: ([0-9a-f]{32})$/m.exec(output)?.[1] ?? output;
  }

  async function version(number: number): Promise<{ run_id?: string; tags: { key: string; value: string }[] }> {
    const response = await fetch(`${platform.url}/api/2.0/mlflow/model-versions/get?name=towns&version=${number}`);
    return ((await response.json()) as { model_version: { run_id?: string; tags: { key: string; value: string }[] } }).model_version;
  }

  test.each([false, true])(
    'dynamic int8 is as Python writes it, per channel: %s',
    async (perChannel) => {
      const theirs = file(`python-${perChannel}.onnx`);
      await runCommand(python.python, [
        join(import.meta.dirname, 'dynamic_int8.py'),
        ...[file('model.onnx'), theirs, ...(perChannel ? ['per-channel'] : [])],
      ]);
      const outcome = optimizeModel(bytes, [{ pass: 'dynamic-int8', perChannel, minElements: 1 }]);
      if (outcome.kind === 'rejected') throw new Error(outcome.rejection.message);
      const quantized = await readFile(theirs);
      const operators = (model: Uint8Array): string[] => (readModel(model).graph?.node ?? []).map((node) => node.opType ?? '').sort();
      expect(operators(outcome.bytes)).toEqual(operators(quantized));
      const options = { open: openModel, now: () => 0, budgetMs: 0 };
      const [ours, theirResult] = [
        await measureModels(bytes, outcome.bytes, rows, options),
        await measureModels(bytes, quantized, rows, options),
      ];
      expect(ours.child.bytes).toBeLessThan(theirResult.child.bytes * 1.05);
      expect(ours.meanError).toBeLessThanOrEqual(theirResult.meanError * 1.1 + 1e-6);
      expect(ours.agreement).toBeGreaterThanOrEqual(0.99);
    },
    180_000,
  );

  test('static quantization with rows of the log, as a recorded run, passes the gate', async () => {
    const runId = await recorded('static_qdq.py', file('model.onnx'), file('rows.jsonl'), file('static.onnx'));
    const done = millrace('optimize', 'towns@1', '--candidate', file('static.onnx'), '--method', 'static-qdq', '--run', runId, ...ANY_TIME);
    expect(done).toMatchObject({ code: 0, out: expect.stringContaining('towns version 2 registered, derived from version 1') });
    const registered = await version(2);
    expect(registered.run_id).toBe(runId);
    expect(registered.tags).toContainEqual({ key: 'millrace.derived_from', value: 'models:/towns/1' });
  }, 180_000);

  test('a student that learned from the answers on the log passes the gate', async () => {
    const runId = await recorded('distil.py', file('model.onnx'), file('rows.jsonl'), file('student.onnx'), '--hidden', '16');
    const gate = ['--min-agreement', '0.97', ...ANY_TIME];
    const done = millrace('optimize', 'towns@1', '--candidate', file('student.onnx'), '--method', 'distillation', '--run', runId, ...gate);
    expect(done).toMatchObject({ code: 0, out: expect.stringContaining('towns version 3 registered, derived from version 1') });
    expect((await version(3)).run_id).toBe(runId);
  }, 180_000);

  test('a teacher with a ZipMap has a student that gives the tensor, and both are measured by their probabilities', async () => {
    const teacher = zipMapped();
    await writeFile(file('zipped.onnx'), teacher);
    await mlflow('registered-models/create', { name: 'zipped' });
    await ask('PUT', '/api/2.0/mlflow-artifacts/artifacts/models/zipped/1/model.onnx', Uint8Array.from(teacher));
    await mlflow('model-versions/create', { name: 'zipped', source: 'mlflow-artifacts:/models/zipped/1' });
    const lines = (await readFile(file('rows.jsonl'), 'utf8')).trim().split('\n');
    const asked = lines.map((line) => {
      const row = JSON.parse(line) as { inputs: object; outputs: { scores: number[] } };
      return JSON.stringify({ inputs: row.inputs, features: null, outputs: { named: row.outputs.scores } });
    });
    await writeFile(file('zipped.jsonl'), `${asked.join('\n')}\n`);
    const runId = await recorded('distil.py', file('zipped.onnx'), file('zipped.jsonl'), file('unzipped.onnx'), '--hidden', '16');
    const given = ['--candidate', file('unzipped.onnx'), '--rows', file('zipped.jsonl'), '--run', runId, '--min-agreement', '0.97'];
    const done = millrace('optimize', 'zipped@1', ...given, ...ANY_TIME);
    expect(done).toMatchObject({ code: 0, out: expect.stringContaining('zipped version 2 registered, derived from version 1') });
    expect(done.out).toMatch(/labels agree: .* \(by argmax\)\nerror: at most 0\.0*[1-9]/);
  }, 180_000);

  /** The classifier with its scores as scikit-learn's converter gives them. */
  function zipMapped(): Uint8Array {
    const model = readModel(bytes);
    const strings = ['a', 'b', 'c', 'd'].map((name) => new TextEncoder().encode(name));
    const attribute = [{ name: 'classlabels_strings', type: AttributeType.STRINGS, strings }];
    const node = { opType: 'ZipMap', domain: 'ai.onnx.ml', name: 'zip', input: ['scores'], output: ['named'], attribute };
    model.graph = { ...model.graph, node: [...(model.graph?.node ?? []), node], output: [{ name: 'named' }] };
    model.opsetImport = [...(model.opsetImport ?? []), { domain: 'ai.onnx.ml', version: 3 }];
    return writeModel(model);
  }
});
