import type { MethodDefinition } from '@grpc/grpc-js';
import { expect, test } from '@jest/globals';
import type { FeatureInput } from '../../gateway/feature-vectors.js';
import type { ModelDescription } from '../../queries/serving-status.js';
import { parameterMessages } from './grpc/infer-message.js';
import { inferenceService } from './grpc/inference-service.js';
import { modelMetadata } from './wire.js';

const described: ModelDescription = {
  ...{ version: '1', versions: ['1'], maxBatchRows: 64, features: undefined, featureService: undefined },
  inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 3] }],
  outputs: [{ name: 'probability', datatype: 'FP32', shape: [-1, 1] }],
};
const input = <T>(name: string, type: string): FeatureInput<T> => ({ name, type, parse: () => undefined });
const asked = {
  joinKeys: [input<string>('origin', 'String'), input<string>('tail', 'UInt64')],
  requestFeatures: [input<number>('distance', 'Float32'), input<number>('late', 'Bool'), input<number>('due', 'DateTime64(3)')],
};
const parameters = {
  ...{ feature_service: 'delay_model', 'join_key.origin': 'BYTES', 'join_key.tail': 'UINT64' },
  ...{ 'request_feature.distance': 'FP32', 'request_feature.late': 'BOOL', 'request_feature.due': 'BYTES' },
};

test('metadata says what a deployment with a feature service is asked with, and of others nothing more than the protocol has', () => {
  expect(Object.keys(modelMetadata('m', described))).toEqual(['name', 'versions', 'platform', 'inputs', 'outputs']);
  expect(modelMetadata('m', { ...described, featureService: 'delay_model', asked }).parameters).toEqual(parameters);
  // Not known here yet.
  expect(modelMetadata('m', { ...described, featureService: 'delay_model' }).parameters).toEqual({ feature_service: 'delay_model' });
});

test('it is the same over gRPC', () => {
  const { responseSerialize, responseDeserialize } = inferenceService().ModelMetadata as MethodDefinition<object, object>;
  const metadata = modelMetadata('m', { ...described, featureService: 'delay_model', asked });
  const message = { ...metadata, parameters: parameterMessages(metadata.parameters ?? {}) };
  const read = responseDeserialize(responseSerialize(message)) as { parameters: Record<string, { string_param: string }> };
  expect(Object.fromEntries(Object.entries(read.parameters).map(([name, value]) => [name, value.string_param]))).toEqual(parameters);
});
