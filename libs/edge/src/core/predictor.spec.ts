import { describe, expect, test } from '@jest/globals';
import { edgeId } from './edge-id.js';
import { EdgeRunner } from './edge-runner.js';
import { isGraphOf, readManifest, type EdgeManifest } from './manifest.js';
import { Predictor, type EdgeSession } from './predictor.js';
import type { PredictionQueue, QueuedPrediction } from './prediction-queue.js';

const MANIFEST: EdgeManifest = {
  ...{ format: 1, target: 'node', exportedAt: '2026-01-01T00:00:00Z', runtime: { package: 'onnxruntime-node', version: '1.30.0' } },
  model: { name: 'towns', version: 3, digest: 'ab'.repeat(32), deployment: 'town' },
  graph: { file: 'model.onnx', sha256: 'cd'.repeat(32), bytes: 1, irVersion: 8, opsets: { 'ai.onnx': 17 }, operators: [], changes: [] },
  inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [-1] },
    { name: 'scores', datatype: 'FP32', shape: [-1, 2] },
  ],
  preprocessing: { columns: ['distance', 'delays:mean'], missing: 'NaN' },
  postprocessing: { classes: { scores: ['early', 'late'] } },
  queue: { limit: 10 },
  upload: { url: 'http://localhost:8080/', batch: 200 },
};

const session: EdgeSession = {
  run: async ([input]) => [
    { name: 'label', datatype: 'INT64', shape: [1], data: BigInt64Array.of(2n ** 60n) },
    { name: 'scores', datatype: 'FP32', shape: [1, 2], data: Float32Array.of(NaN, (input?.data[0] as number) + 0.5) },
  ],
};

describe('a row', () => {
  const predictor = new Predictor(MANIFEST, session);

  test('becomes the inputs by its columns, with or without their view, or by the tensor', () => {
    const tensor = (data: Float32Array) => [{ name: 'input', datatype: 'FP32', shape: [1, 2], data }];
    expect(predictor.inputsOf({ features: { mean: null, distance: '7', other: true } })).toEqual(tensor(Float32Array.of(7, NaN)));
    expect(predictor.inputsOf({ features: { distance: 7, 'delays:mean': 2 } })).toEqual(tensor(Float32Array.of(7, 2)));
    expect(predictor.inputsOf({ inputs: { input: [[1, 2]] } })).toEqual(tensor(Float32Array.of(1, 2)));
  });

  test('that does not fit is refused with the column or the input', () => {
    const refusals: [Parameters<Predictor['inputsOf']>[0], string][] = [
      [{ features: { distance: 7 } }, 'the row has no feature "delays:mean"'],
      [{ features: { distance: 'far', mean: 1 } }, 'input "input" takes 2 values of FP32; feature "distance" of the row is something else'],
      [{ inputs: { input: [1] } }, 'input "input" takes 2 values of FP32; the row has something else'],
      [{ inputs: { x: [1, 2] } }, 'the row has no "inputs" with "input", and no "features"'],
    ];
    for (const [row, message] of refusals) expect(() => predictor.inputsOf(row)).toThrow(message);
  });

  test.each<[string, unknown, unknown]>([
    ['UINT8', 256, 255],
    ['INT8', -129, -128],
    ['BOOL', 2, true],
    ['UINT32', -1, 4_294_967_295],
    ['INT64', 2 ** 53, '9007199254740993'],
    ['INT64', '9223372036854775808', '-9223372036854775808'],
    ['UINT64', '-1', '18446744073709551615'],
    ['FP32', 1e39, 3e38],
    ['FP32', 1e400, 'Infinity'],
    ['FP32', '1e400', '-Infinity'],
    ['FP64', 1e400, 'Infinity'],
    ['FP64', '-1e400', '-Infinity'],
    ['FP64', 'nan', 'NaN'],
    ['BYTES', 'a\0b', ''],
  ])('%s does not take %j, which it would take for something else, and takes %j', (datatype, refused, taken) => {
    const manifest = {
      ...MANIFEST,
      inputs: [{ name: 'x', datatype, shape: [-1] }],
      preprocessing: { columns: null, missing: 'NaN' },
    } satisfies EdgeManifest;
    const one = new Predictor(manifest, session);
    expect(() => one.inputsOf({ inputs: { x: refused } })).toThrow(`input "x" takes 1 value of ${datatype}; the row has something else`);
    expect(one.inputsOf({ inputs: { x: taken } })).toHaveLength(1);
  });

  test('is answered in JSON’s own values, with the class that is largest', async () => {
    const answer = await new Predictor(
      { ...MANIFEST, postprocessing: { classes: { scores: ['early', 'late'] } } },
      {
        run: async () => [{ name: 'scores', datatype: 'FP32', shape: [1, 2], data: Float32Array.of(0.25, 0.75) }],
      },
    ).predict({ inputs: { input: [1, 2] } });
    expect(answer).toEqual({ outputs: { scores: [0.25, 0.75] }, classes: { scores: 'late' } });
    expect((await predictor.predict({ inputs: { input: [1, 2] } })).outputs).toEqual({ label: '1152921504606846976', scores: [null, 1.5] });
  });
});

describe('the runner', () => {
  const running = (run: EdgeSession['run']) => {
    const kept: QueuedPrediction[] = [];
    const queue = { device: 'device-1', add: async (one: QueuedPrediction) => void kept.push(one) } as unknown as PredictionQueue;
    let at = 0;
    return {
      kept,
      runner: new EdgeRunner({ predictor: new Predictor(MANIFEST, { run }), queue, now: () => 1_000.5, elapsed: () => (at += 2) }),
    };
  };

  test('keeps each answer before it gives it, with what it rests on', async () => {
    const { kept, runner } = running((inputs) => session.run(inputs));
    const { predictionId } = await runner.predict({ features: { distance: 1, mean: 2 }, unit: 'till-7' });
    expect(kept).toMatchObject([
      {
        ...{ id: predictionId, time: 1_000, unit: 'till-7', latencyMicros: 2_000, error: null, inputs: null },
        features: { distance: 1, mean: 2 },
        outputs: { scores: [null, 1.5] },
        of: { model: 'towns', version: 3, digest: 'ab'.repeat(32), graph: 'cd'.repeat(32), deployment: 'town', runner: 'node' },
      },
    ]);
  });

  test('keeps a run that failed with the error, and nothing of a row that was refused', async () => {
    const { kept, runner } = running(async () => {
      throw new Error('out of memory');
    });
    await expect(runner.predict({ features: {} })).rejects.toThrow('the row has no feature "distance"');
    expect(kept).toEqual([]);
    await expect(runner.predict({ features: { distance: 1, mean: 2 } })).rejects.toThrow('out of memory');
    expect(kept).toMatchObject([{ outputs: null, error: { code: 'MR_EDGE_FAILED', message: 'out of memory' } }]);
  });
});

test('ids are UUIDs of version 7, ordered by time', () => {
  const ids = [1_000, 1_001, 1_700_000_000_000].map((now) => edgeId(now));
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([...ids].sort()).toEqual(ids);
  expect(parseInt(ids[2]!.replaceAll('-', '').slice(0, 12), 16)).toBe(1_700_000_000_000);
});

test('a manifest is held to its format, and the graph to the manifest', async () => {
  expect(readManifest(JSON.parse(JSON.stringify(MANIFEST)))).toEqual(MANIFEST);
  expect(() => readManifest({ ...MANIFEST, format: 2 })).toThrow('manifest.json: format is 2; this runner reads format 1');
  expect(() => readManifest({ ...MANIFEST, graph: { ...MANIFEST.graph, file: '../etc/passwd' } })).toThrow('graph.file');
  expect(() => readManifest({ ...MANIFEST, queue: {} })).toThrow('queue.limit is no number from 1');
  const graph = { ...MANIFEST.graph, sha256: '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81' };
  expect(await isGraphOf({ ...MANIFEST, graph }, Uint8Array.of(1, 2, 3))).toBe(true);
  expect(await isGraphOf(MANIFEST, Uint8Array.of(1, 2, 3))).toBe(false);
});
