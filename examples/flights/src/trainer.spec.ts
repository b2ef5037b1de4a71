import { describe, expect, test } from '@jest/globals';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { qualityOf } from './quality.js';
import { probabilitiesOf, trainLogisticRegression, type TrainingTable } from './trainer.js';

/** Rows of a known law: logit = -1 + 2 a - 0.5 b, +1.5 where b is missing. */
function sample(rows: number, seed: number): TrainingTable {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 0x1_0000_0000;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const a = new Float64Array(rows);
  const b = new Float64Array(rows);
  const labels = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) {
    a[i] = normal();
    const present = 10 + 4 * normal();
    const isMissing = uniform() < 0.2;
    b[i] = isMissing ? NaN : present;
    const logit = -1 + 2 * a[i]! + (isMissing ? 1.5 : -0.5 * (present - 10));
    labels[i] = uniform() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
  }
  return { features: ['a', 'b'], columns: [a, b], labels };
}

describe('training', () => {
  test('finds the law the rows were drawn from', () => {
    const { model, quality, iterations } = trainLogisticRegression(sample(40_000, 1), { ridge: 0 });
    expect(model.weights[0]! / model.scale[0]!).toBeCloseTo(2, 1);
    expect(model.weights[1]! / model.scale[1]!).toBeCloseTo(-0.5, 1);
    expect(model.missingWeights![1]! - (-model.weights[1]! / model.scale[1]!) * (10 - model.mean[1]!)).toBeCloseTo(1.5, 0);
    expect(model.missingWeights![0]).toBe(0);
    expect(quality.auc).toBeGreaterThan(0.85);
    expect(quality.logLoss).toBeLessThan(quality.baseLogLoss);
    expect(iterations).toBeLessThan(15);
  });

  test('the same table gives the same bytes', () => {
    expect(Buffer.from(trainLogisticRegression(sample(500, 3)).onnx)).toEqual(Buffer.from(trainLogisticRegression(sample(500, 3)).onnx));
  });

  test('a column without spread and one without values do no harm', () => {
    const table = sample(300, 5);
    const columns = [...table.columns, new Float64Array(300).fill(7), new Float64Array(300).fill(NaN)];
    const { model } = trainLogisticRegression({ features: ['a', 'b', 'flat', 'empty'], columns, labels: table.labels });
    expect([...model.weights, ...model.missingWeights!, model.bias].every(Number.isFinite)).toBe(true);
  });

  test('labels of one kind are refused', () => {
    const table = sample(10, 1);
    expect(() => trainLogisticRegression({ ...table, labels: new Uint8Array(10) })).toThrow(/nothing to tell apart/);
  });

  test('the ONNX model predicts what the trainer predicts', async () => {
    const train = trainLogisticRegression(sample(5000, 9));
    const later = sample(200, 11);
    const session = await InferenceSession.create(train.onnx);
    const input = Float32Array.from([...later.labels].flatMap((_, i) => later.columns.map((column) => column[i]!)));
    const { probability } = await session.run({ input: new Tensor('float32', input, [200, 2]) });
    const expected = probabilitiesOf(train.model, later);
    for (let i = 0; i < 200; i++) expect(Math.abs((probability!.data[i] as number) - expected[i]!)).toBeLessThan(1e-5);
    await session.release();
  });
});

describe('quality', () => {
  test('of four rows, by hand', () => {
    const quality = qualityOf([1, 0, 1, 0], [0.9, 0.4, 0.4, 0.2]);
    expect(quality.auc).toBe(0.875);
    expect(quality.brier).toBeCloseTo((0.01 + 0.16 + 0.36 + 0.04) / 4, 12);
    expect(quality.logLoss).toBeCloseTo(-(Math.log(0.9) + Math.log(0.6) + Math.log(0.4) + Math.log(0.8)) / 4, 12);
    expect(quality).toMatchObject({ baseRate: 0.5, baseBrier: 0.25 });
    expect(quality.baseLogLoss).toBeCloseTo(Math.LN2, 12);
  });

  test('knows no ranking without both classes', () => {
    expect(qualityOf([1, 1], [0.5, 0.6]).auc).toBeNull();
  });
});
