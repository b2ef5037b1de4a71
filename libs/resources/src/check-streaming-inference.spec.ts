import { expect, test } from '@jest/globals';
import { checkDocument } from './check-documents.js';
import type { StreamingInferenceSpec } from './resource.js';

const PRESENT: Readonly<Record<string, object>> = {
  'Deployment/delay': { model: 'models:/delay/1', featureService: 'delay_model' },
  'Deployment/plain': { model: 'models:/plain/1' },
  'Deployment/tried': { model: 'models:/plain/1', experiment: 'trial' },
  'Deployment/split': { model: 'models:/delay/1', featureService: 'delay_model', experiment: 'trial' },
  'Deployment/by_key': { model: 'models:/delay/1', featureService: 'delay_model', experiment: 'keyed' },
  'Experiment/trial': { unit: 'flight', variants: [] },
  'Experiment/keyed': { unit: 'origin', variants: [] },
  'Deployment/worn': { model: 'models:/plain/1', featureService: 'wear_model' },
  'Source/due': { topic: 'due', eventTime: 'at', schema: { at: 'DateTime64(3)', origin: 'String', miles: 'Float64' } },
  'Entity/origin': { joinKeys: { origin: 'String' } },
  'Entity/plane': { joinKeys: { tail: 'String' } },
  'FeatureView/origin_delays': { entity: 'origin', source: 'flights', features: [] },
  'FeatureView/plane_age': { entity: 'plane', source: 'planes', features: [] },
  'FeatureView/wear': { inputs: ['plane_age'], request: { landings: 'Int32' }, features: [] },
  'FeatureService/delay_model': { features: ['origin_delays'], request: { distance: 'Float32' } },
  'FeatureService/wear_model': { features: ['wear'] },
};
const lookup = ((kind: string, name: string) => PRESENT[`${kind}/${name}`]) as never;

function problemsOf(change: Partial<StreamingInferenceSpec>): string[] {
  const spec: StreamingInferenceSpec = {
    ...{ deployment: 'delay', source: 'due', inputs: { distance: 'miles' }, output: { topic: 'due.predicted', columns: ['origin'] } },
    ...change,
  };
  const document = { index: 1, kind: 'StreamingInference' as const, name: 's', labels: {}, description: null, spec: spec as never };
  return checkDocument(document, lookup, undefined as never).map(({ field, message }) => `${field} ${message}`);
}

test('takes what has all that the deployment asks for', () => {
  expect(problemsOf({})).toEqual([]);
  expect(problemsOf({ deployment: 'plain', inputs: {} })).toEqual([]);
  expect(problemsOf({ deployment: 'tried', inputs: {}, unit: 'origin' })).toEqual([]);
  expect(problemsOf({ deployment: 'split', unit: 'origin' })).toEqual([]);
  expect(problemsOf({ deployment: 'by_key' })).toEqual([]);
});

test.each<[string, Partial<StreamingInferenceSpec>, RegExp]>([
  ['a deployment that is not there', { deployment: 'nobody' }, /^spec.deployment Deployment nobody does not exist/],
  ['a source that is not there', { source: 'nothing' }, /^spec.source Source nothing does not exist/],
  [
    'an input from no column',
    { inputs: { distance: 'km' } },
    /^spec.inputs.distance km is not a column of the schema; columns are at, origin/,
  ],
  ['a request feature from nowhere', { inputs: {} }, /^spec.inputs request feature distance is not a column of Source due; say which/],
  ['a unit that is no column', { unit: 'who' }, /^spec.unit who is not a column/],
  ['an experiment without a unit', { deployment: 'tried', inputs: {} }, /^spec.unit is missing; Deployment tried runs Experiment trial/],
  [
    'an experiment that assigns what the feature service does not take',
    { deployment: 'split' },
    /^spec.unit is missing; Deployment split runs Experiment trial, which assigns flight: say which column of Source due that is, for example unit: at$/,
  ],
  ['a passed column that is none', { output: { topic: 't', columns: ['x'] } }, /^spec.output.columns\[0\] x is not a column/],
  ["the source's own topic", { output: { topic: 'due' } }, /^spec.output.topic is the topic of Source due itself/],
  ['a topic of the platform', { output: { topic: 'millrace.mine' } }, /names beginning with millrace\. are the platform's own/],
  ['a topic of dead letters', { output: { topic: 'due.dead-letters' } }, /names ending in .dead-letters/],
])('refuses %s', (_what, change, message) => {
  expect(problemsOf(change)).toContainEqual(expect.stringMatching(message));
});

test('asks for what views on demand rest on, too', () => {
  expect(problemsOf({ deployment: 'worn', inputs: { tail: 'origin' } })).toEqual([
    expect.stringMatching(/^spec.inputs request field landings is not a column/),
  ]);
});
