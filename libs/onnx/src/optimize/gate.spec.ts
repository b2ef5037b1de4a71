import { describe, expect, test } from '@jest/globals';
import type { Truth } from './assemble-rows.js';
import { OutputComparison } from './compare-outputs.js';
import { gate, GATE_DEFAULTS } from './gate.js';
import { measureModels, type Measurement } from './measure-models.js';
import { takeRows, type LoadedModel, type Rows } from './model-rows.js';

const floats = (name: string, width: number, ...values: number[]): Rows => ({
  ...{ name, datatype: 'FP32', data: Float32Array.from(values) },
  shape: width === 0 ? [values.length] : [values.length / width, width],
});
const compare = (...batches: readonly (readonly [Rows[], Rows[]])[]) => {
  const comparison = new OutputComparison();
  for (const [parent, child] of batches) comparison.add(parent, child);
  return comparison.differences();
};

describe('differences', () => {
  test('an output of integers is the label, else the largest column', () => {
    const label = (...values: bigint[]): Rows => ({
      name: 'label',
      datatype: 'INT64',
      shape: [values.length],
      data: BigInt64Array.from(values),
    });
    const scores = [floats('scores', 2, 1, 2, 4, 3)];
    expect(
      compare([
        [label(1n, 0n), ...scores],
        [label(1n, 1n), ...scores],
      ]),
    ).toMatchObject({ rows: 2, agreement: 0.5, labelBy: 'label', maxError: 0 });
    expect(compare([scores, [floats('scores', 2, 1, 2, 3, 4)]])).toMatchObject({
      agreement: 0.5,
      labelBy: 'argmax',
      maxError: 1,
      meanError: 0.5,
    });
  });

  test('one column within 0 and 1 is a probability; beyond it, in any batch, there is no label', () => {
    const sure = [[floats('p', 1, 0.2, 0.6)], [floats('p', 1, 0.3, 0.4)]] as const;
    const one = compare([[...sure[0]], [...sure[1]]]);
    expect(one).toMatchObject({ agreement: 0.5, labelBy: 'side of 0.5' });
    const other = compare([[...sure[0]], [...sure[1]]], [[floats('p', 1, 7)], [floats('p', 1, 7)]]);
    expect(other).toMatchObject({ rows: 3, agreement: undefined, labelBy: undefined });
  });

  test('errors are told by the deviation of the parent, output by output; what is no number differs without end', () => {
    const found = compare([[floats('y', 0, 0, 10, 20)], [floats('y', 0, 1, 10, 20)]]);
    expect(found.relativeError).toBeCloseTo(1 / 3 / Math.sqrt(200 / 3), 6);
    expect(compare([[floats('y', 0, NaN, 2)], [floats('y', 0, NaN, 2)]])).toMatchObject({ maxError: 0, relativeError: 0 });
    expect(compare([[floats('y', 0, 1, 2)], [floats('y', 0, NaN, 2)]])).toMatchObject({ maxError: Infinity, relativeError: Infinity });
  });

  test('what came true is compared with both: labels, the largest column, the side of 0.5, and values', () => {
    const truthOf = (parent: Rows[], child: Rows[], truths: (Truth | undefined)[]) => {
      const comparison = new OutputComparison();
      comparison.add(parent, child, truths);
      return comparison.differences().truth;
    };
    const label = (...values: string[]): Rows => ({ name: 'label', datatype: 'BYTES', shape: [values.length], data: values });
    expect(truthOf([label('a', 'b', 'b')], [label('a', 'a', 'b')], ['a', 'b', undefined])).toEqual({
      rows: 2,
      what: 'accuracy',
      parent: 1,
      child: 0.5,
    });
    expect(truthOf([floats('s', 2, 1, 2, 4, 3)], [floats('s', 2, 2, 1, 4, 3)], [1, 0])).toMatchObject({
      what: 'accuracy',
      parent: 1,
      child: 0.5,
    });
    expect(truthOf([floats('p', 1, 0.7, 0.2)], [floats('p', 1, 0.4, 0.2)], [true, false])).toMatchObject({
      what: 'accuracy',
      parent: 1,
      child: 0.5,
    });
    expect(truthOf([floats('y', 0, 7, 5)], [floats('y', 0, 7, 4)], [8, 5])).toEqual({ rows: 2, what: 'mean error', parent: 0.5, child: 1 });
    expect(truthOf([floats('y', 0, 7)], [floats('y', 0, 7)], [])).toBeUndefined();
  });

  test('outputs that do not fit are told by name', () => {
    expect(() => compare([[floats('y', 0, 1, 2)], [floats('z', 0, 1, 2)]])).toThrow(
      'output y is FP32 [2] of the parent and not there of the child',
    );
  });
});

describe('measuring', () => {
  test('both run on the same rows, in turns, and latencies are medians of their own runs', async () => {
    let clock = 0;
    const ran: string[] = [];
    const open = (cost: number, shift: number, name: string): LoadedModel => ({
      async run([rows]) {
        clock += cost;
        ran.push(name);
        return [{ ...rows!, name: 'y', data: (rows!.data as Float32Array).map((value) => value + shift) }];
      },
      close: async () => undefined,
    });
    const models = [open(4, 0, 'parent'), open(1, 0.5, 'child')];
    const rows = [floats('x', 1, ...Array.from({ length: 40 }, (_, index) => index))];
    const measured = await measureModels(new Uint8Array(100), new Uint8Array(30), rows, {
      open: async () => models.shift()!,
      now: () => clock,
    });
    expect(measured).toMatchObject({
      ...{ rows: 40, maxError: 0.5, meanError: 0.5, sizeRatio: 0.3, latencyRatio: { 1: 0.25, 32: 0.25 } },
      parent: { bytes: 100, latencyMicros: { 1: 4000, 32: 4000 } },
      child: { bytes: 30, latencyMicros: { 1: 1000, 32: 1000 } },
    });
    expect(ran.filter((name) => name === 'parent')).toHaveLength(ran.length / 2);
  });

  test('batches go round the rows', () => {
    expect(takeRows([floats('x', 2, 1, 2, 3, 4)], 1, 3)[0]).toMatchObject({ shape: [3, 2], data: Float32Array.of(3, 4, 1, 2, 3, 4) });
  });
});

describe('gate', () => {
  const good: Measurement = {
    truth: undefined,
    ...{ rows: 1000, agreement: 0.995, labelBy: 'argmax', maxError: 0.1, meanError: 0.01, relativeError: 0.5, sizeRatio: 0.26 },
    latencyRatio: { 1: 2, 32: 0.4 },
    parent: { bytes: 100, latencyMicros: { 1: 1, 32: 10 } },
    child: { bytes: 26, latencyMicros: { 1: 2, 32: 4 } },
  };
  const broken = (change: Partial<Measurement>, thresholds = GATE_DEFAULTS) =>
    gate({ ...good, ...change }, thresholds).map(({ bound }) => bound);

  test('a good one passes; every bound alone refuses, also what is no number', () => {
    expect(broken({})).toEqual([]);
    expect(broken({ rows: 99 })).toEqual(['minRows']);
    expect(broken({ agreement: 0.98 })).toEqual(['minAgreement']);
    expect(broken({ agreement: NaN })).toEqual(['minAgreement']);
    expect(broken({ sizeRatio: 1.01 })).toEqual(['maxSizeRatio']);
    expect(broken({ latencyRatio: { 1: 0.1, 32: 1.2 } })).toEqual(['maxLatencyRatio']);
    expect(broken({ latencyRatio: { 1: 0.1, 32: NaN } })).toEqual(['maxLatencyRatio']);
    expect(broken({ maxError: 0.2 }, { ...GATE_DEFAULTS, maxError: 0.1 })).toEqual(['maxError']);
  });

  test('what came true counts, once there is enough of it', () => {
    const truth = { rows: 100, what: 'accuracy', parent: 0.9, child: 0.88 } as const;
    expect(broken({ truth })).toEqual(['maxAccuracyLoss']);
    expect(broken({ truth: { ...truth, child: 0.95 } })).toEqual([]);
    expect(broken({ truth: { ...truth, rows: 99 } })).toEqual([]);
    expect(broken({ truth: { rows: 100, what: 'mean error', parent: 2, child: 2.1 } })).toEqual(['maxAccuracyLoss']);
    expect(broken({ truth: { rows: 100, what: 'mean error', parent: 0, child: 0 } })).toEqual([]);
  });

  test('without labels the error counts by the deviation', () => {
    expect(broken({ agreement: undefined })).toEqual(['maxRelativeError']);
    expect(broken({ agreement: undefined, relativeError: 0.01 })).toEqual([]);
    expect(gate({ ...good, agreement: 0.5 }, GATE_DEFAULTS)[0]?.message).toBe('50 % of the labels agree, at least 99 % have to');
  });
});
