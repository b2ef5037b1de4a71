import { expect, test } from '@jest/globals';
import { readSourceEvent, type SourceEvent } from '@millrace/feature-engine';
import type { StreamingInferenceSpec } from '@millrace/resources';
import type { FeatureServiceShape } from '../gateway/feature-vectors.js';
import { requestMaker } from './event-request.js';
import { planStream, type StreamPlan } from './stream-plan.js';

const SOURCE = {
  ...{ topic: 'due', eventTime: 'at', eventId: 'id', key: 'origin' },
  schema: { at: 'DateTime64(3)', id: 'UInt64', origin: 'String', miles: 'Nullable(Float32)' },
};
const AT = Date.parse('2001-01-01T10:00:00Z');

function found(change: Partial<StreamingInferenceSpec> = {}, source: object | null = SOURCE): ReturnType<typeof planStream> {
  const spec: StreamingInferenceSpec = {
    deployment: 'd',
    source: 'due',
    output: { topic: 'out' },
    inputs: { distance: 'miles' },
    ...change,
  };
  const resource = { kind: 'StreamingInference', name: 's', version: 3, spec } as never;
  return planStream(resource, { get: () => source && { spec: source, version: 1, hash: 'h' } } as never);
}

function planOf(change: Partial<StreamingInferenceSpec> = {}): StreamPlan {
  const result = found(change);
  if (!('plan' in result)) throw new Error(result.waitsFor);
  return result.plan;
}

function event(plan: StreamPlan, fields: object): SourceEvent {
  const read = readSourceEvent(plan.source, { at: AT, id: '18446744073709551615', origin: 'ORD', miles: 800, ...fields }, 0, 7);
  if (!read.ok) throw new Error(read.reason);
  return read.value;
}

const parse = (value: unknown) => value as never;
const shape: FeatureServiceShape = {
  joinKeys: [{ name: 'origin', type: 'String', parse }],
  requestFeatures: [
    { name: 'distance', type: 'Float32', parse },
    { name: 'id', type: 'UInt64', parse },
  ],
};
const layout = { inputs: [{ name: 'input', datatype: 'FP32' as const, shape: [-1, 2] }], features: ['distance', 'id'] };

test('entity keys and request features come from columns, as of the event, behind who waits', () => {
  const plan = planOf({ unit: 'origin' });
  const request = requestMaker(plan, { shape, featureService: 'f' })(event(plan, {}));
  expect(request.parameters).toEqual({ priority: 9, event_time: AT, unit: 'ORD' });
  expect(request.inputs).toEqual([
    { name: 'origin', datatype: 'BYTES', shape: [1], data: ['ORD'] },
    { name: 'distance', datatype: 'FP64', shape: [1], data: Float64Array.of(800) },
    { name: 'id', datatype: 'UINT64', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
  ]);
  const now = requestMaker(planOf({ featureTime: 'now' }), { shape, featureService: 'f' })(event(plan, { miles: null }));
  expect(now.parameters).toEqual({ priority: 9 });
  expect(now.inputs[1]?.data).toEqual(Float64Array.of(NaN));
});

test('without a feature service the columns are what the model takes', () => {
  const plan = planOf();
  const { inputs, parameters } = requestMaker(plan, { layout })(event(plan, { id: 4 }));
  expect(inputs).toEqual([{ name: 'input', datatype: 'FP32', shape: [1, 2], data: Float32Array.of(800, 4) }]);
  expect(parameters).toEqual({ priority: 9 });
});

test('a definition that no event could be asked with is told to be one', () => {
  const unfit = { code: 'MR_INFERENCE_UNSERVABLE' };
  expect(() => requestMaker(planOf({ inputs: {} }), { shape, featureService: 'f' })).toThrow(
    expect.objectContaining({ ...unfit, message: expect.stringMatching(/^feature service f takes "distance", no column of Source due/) }),
  );
  expect(() => requestMaker(planOf({ inputs: {} }), { layout })).toThrow(
    expect.objectContaining({ ...unfit, message: expect.stringMatching(/^the model takes "distance", no column/) }),
  );
  const eight = { ...layout, inputs: [{ ...layout.inputs[0]!, shape: [8, 2] }] };
  expect(() => requestMaker(planOf(), { layout: eight })).toThrow(expect.objectContaining(unfit));
});

test('a plan passes on what finds the event again, unless it is told what', () => {
  const names = (plan: StreamPlan): unknown[] => plan.columns.map((column) => plan.source.columns[column]?.name);
  expect(names(planOf())).toEqual(['origin', 'id', 'at']);
  expect(names(planOf({ output: { topic: 'out', columns: ['miles'] } }))).toEqual(['miles']);
  expect(names(planOf({ output: { topic: 'out', columns: [] } }))).toEqual([]);
});

test('a plan waits for its source, and for columns that it had', () => {
  expect(found({}, null)).toEqual({ waitsFor: 'Source due is not there; apply it' });
  expect(found({ unit: 'gone' })).toEqual({ waitsFor: expect.stringMatching(/^Source due has no column gone any more/) });
});
