import { describe, expect, test } from '@jest/globals';
import { isFault } from '@millrace/kernel';
import type { PredictionMade } from '../domain/prediction/prediction.js';
import { Refusal, type RefusalCode } from '../domain/refusal.js';
import { EdgeRecorder, type EdgeRules } from './edge-recorder.js';
import { featureNames } from './redact-rows.js';
import { unitsSaid } from './units.js';

const SENT = {
  ...{ predictionId: 'edge-0001', deployment: 'ranking', model: 'towns', version: 3, error: null },
  rows: [{ row: 0, unit: 'u', entity: null, request: null, features: null, statuses: null, inputs: { x: [1, 2] }, outputs: { y: 3 } }],
} as unknown as PredictionMade;
const BY_NAME = { ...SENT, rows: SENT.rows.map((row) => ({ ...row, inputs: null, request: { age: 1, income: 2 } })) };

describe('what exported models send', () => {
  const kept: PredictionMade[] = [];
  const record = async (sent: PredictionMade, columns: EdgeRules['columns'], redact = ['income']): Promise<PredictionMade | undefined> => {
    kept.length = 0;
    const rules: EdgeRules = {
      of: () => Promise.resolve({ sample: 1, redact: new Set(redact), redactFeatures: featureNames(redact) }),
      units: () => unitsSaid(undefined, undefined, undefined),
      columns,
    };
    await new EdgeRecorder((facts) => (kept.push(...facts.map(({ data }) => data)), Promise.resolve([])), rules).record([sent], undefined);
    return kept[0];
  };
  const refused = (code: RefusalCode) => () => Promise.reject(new Refusal(code, 'not now'));

  test('is without the columns that are not to be kept', async () => {
    expect((await record(SENT, () => Promise.resolve(['age', 'income'])))?.rows[0]?.inputs).toEqual({ x: [1, null] });
  });

  test.each(['MR_INFERENCE_UNSERVABLE', 'MR_INFERENCE_UNKNOWN_VERSION'] as const)(
    'is without tensors when columns are %s',
    async (code) => {
      expect((await record(SENT, refused(code)))?.rows[0]).toMatchObject({ inputs: null, outputs: { y: 3 } });
    },
  );

  test('is left with the sender while nobody knows the columns yet', async () => {
    const trouble = await record(SENT, refused('MR_INFERENCE_LOADING')).catch((error: unknown) => error);
    expect(isFault(trouble) && trouble).toMatchObject({ code: 'MR_INFERENCE_LOADING', retryable: true });
    await expect(record(SENT, () => Promise.reject(new Error('the store is away')))).rejects.toThrow('the store is away');
    expect(kept).toEqual([]);
  });

  test('has the version loaded only where an input is kept', async () => {
    const never = refused('MR_INFERENCE_LOADING');
    expect((await record(BY_NAME, never))?.rows[0]?.request).toEqual({ age: 1 });
    expect((await record(SENT, never, ['*']))?.rows[0]?.inputs).toEqual({});
    expect((await record(SENT, never, ['x']))?.rows[0]?.inputs).toEqual({});
  });
});
