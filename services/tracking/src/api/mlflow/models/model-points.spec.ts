import { describe, expect, test } from '@jest/globals';
import { Fields } from '@millrace/mlflow-protocol';
import { modelPointsOf } from './model-points.js';

const MODEL = 'm-0123456789abcdef0123456789abcdef';
const point = { key: 'loss', value: 0.5, timestamp: 1, step: 2 };

describe('points that name a logged model', () => {
  test('are the request itself where it lists none, also where the list is null, which is absent', () => {
    for (const request of [{}, { metrics: null }]) {
      const found = modelPointsOf(new Fields({ ...point, model_id: MODEL, ...request }));
      expect([...found]).toEqual([[MODEL, [{ ...point, datasetName: null, datasetDigest: null }]]]);
    }
  });

  test('are those of the list that do', () => {
    const found = modelPointsOf(new Fields({ metrics: [point, { ...point, model_id: MODEL, step: 3 }, { ...point, model_id: '' }] }));
    expect([...found]).toEqual([[MODEL, [{ ...point, step: 3, datasetName: null, datasetDigest: null }]]]);
  });

  test('are refused where the list is none', () => {
    for (const metrics of ['loss', 1, [1], ['loss']]) {
      expect(() => modelPointsOf(new Fields({ metrics, model_id: MODEL }))).toThrow(/metrics/);
    }
  });
});
