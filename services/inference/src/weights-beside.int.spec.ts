import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readModel, writeModel } from '@millrace/onnx';
import { moveWeightsOut, perceptronBytes } from '@millrace/onnx/testing';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import type { ModelVersion } from './domain/registry/model-reference.js';
import { InferenceModule, inferenceConfig } from './index.js';
import { readModelArtifact } from './models/model-artifact.js';
import { PublishedModels } from './testing/published-models.js';

const MIB = 1 << 20;
const WEIGHTS = 'weights/model.data';
const WHOLE = perceptronBytes({ sizes: [3, 64, 2] });
const { graph: GRAPH, file: FILE } = moveWeightsOut(WHOLE, WEIGHTS);
const ML_MODEL = Buffer.from('flavors: {onnx: {data: graph/model.onnx}}\n');

let temp: TempDir;
let service: RunningService;
let models: PublishedModels;

beforeAll(async () => {
  temp = await tempDir('weights-beside');
  const environment = {
    MILLRACE_DATA_DIR: temp.path,
    MILLRACE_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_GRPC_PORT: '0',
    MILLRACE_LOG_LEVEL: 'silent',
    MILLRACE_INFERENCE_MAX_MODEL: '4MiB',
    MILLRACE_INFERENCE_MEMORY: '3MiB',
    MILLRACE_INFERENCE_LOAD_WAIT: '30s',
    // In the loop a model takes its own memory only, and the budget here is small.
    MILLRACE_INFERENCE_RUNNER: 'in-loop',
  };
  service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
  models = new PublishedModels(service.host);
}, 60_000);

afterAll(async () => {
  await service.close();
  await temp.remove();
});

const registered = (name: string, graph: Uint8Array, file: Uint8Array): Promise<number> =>
  models.registerFolder(name, { MLmodel: ML_MODEL, 'graph/model.onnx': graph, [`graph/${WEIGHTS}`]: file });

/** A graph that names the whole of the file beside it so many times more: it and the file stay small. */
function naming(times: number, fileBytes: number): Uint8Array {
  const model = readModel(GRAPH);
  const externalData = [{ key: 'location', value: WEIGHTS }];
  for (let index = 0; index < times; index++)
    model.graph!.initializer!.push({ name: `again${index}`, dims: [fileBytes], dataType: 2, dataLocation: 1, externalData });
  return writeModel(model);
}

/** The answer to a row, or why there is none. */
async function ask(name: string): Promise<readonly number[] | string | undefined> {
  const response = await fetch(`${service.url}/v2/models/${name}/versions/1/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] }] }),
  });
  const body = (await response.json()) as { error?: string; outputs?: { data: number[] }[] };
  return body.outputs?.[0]?.data ?? body.error;
}

describe('weights in files beside the graph', () => {
  test('are served as those inside it are', async () => {
    await registered('apart', GRAPH, FILE);
    await models.register('whole', WHOLE);
    const answer = await ask('apart');
    expect(answer).toEqual([expect.any(Number), expect.any(Number)]);
    expect(answer).toEqual(await ask('whole'));
  });

  test('are left where they are by who reads the files: taking them in is the work of a thread', async () => {
    const version: ModelVersion = {
      ...{ modelId: 'apart', name: 'apart', version: 1, source: 'mlflow-artifacts:/models/apart/1/model' },
      ...{ artifactPath: 'models/apart/1/model', digest: null, held: new Set<string>(), registeredAs: 'apart' },
    };
    const signatures = { required: false, trusted: [] };
    const limits = { maxModelBytes: MIB, maxFiles: 10 };
    const read = await readModelArtifact(service.host.artifacts, version, limits, signatures);
    expect(Buffer.from(read.graph).equals(GRAPH)).toBe(true);
    expect([...read.beside.keys()].sort()).toEqual(['../MLmodel', WEIGHTS]);
    expect(read.maxBytes).toBe(MIB);
  });

  test('count each time they are named towards the most that a model may have', async () => {
    const file = Buffer.concat([FILE, Buffer.alloc(MIB - FILE.length)]);
    await registered('many', naming(300, MIB), file);
    const why =
      /many version 1: with the weights .* the graph has 31\d{7} bytes, more than the 4194304 it may have; .* or raise MILLRACE_INFERENCE_MAX_MODEL$/;
    expect(await ask('many')).toMatch(why);
    const check = await fetch(`${service.url}/api/v1/serving/models/many/versions/1`);
    expect(await check.json()).toMatchObject({ servable: false, reason: expect.stringMatching(why) });
  });

  test('and towards the memory of all models', async () => {
    const file = Buffer.concat([FILE, Buffer.alloc(MIB - FILE.length)]);
    await registered('three', naming(3, MIB), file);
    expect(await ask('three')).toMatch(
      /it needs about 4\.5 MiB of memory, more than all models may take \(MILLRACE_INFERENCE_MEMORY, 3\.0 MiB\)/,
    );
    await registered('once', naming(1, MIB), file);
    expect(await ask('once')).toEqual(await ask('apart'));
  });
});
