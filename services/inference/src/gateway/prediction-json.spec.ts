import { expect, test } from '@jest/globals';
import { JsonText } from '@millrace/event-log';
import fc from 'fast-check';
import type { PredictedRow, PredictionMade } from '../domain/prediction/prediction.js';
import { predictionJson } from './prediction-json.js';

/** A field that is new to a type has no arbitrary here, and this does not compile until it has. */
type Fields<T> = { [K in keyof T]-?: fc.Arbitrary<T[K]> };

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'quo"te', 'back\\slash', '\ud800', 'é', ''));
const named = <T>(value: fc.Arbitrary<T>) => fc.option(fc.dictionary(text, value, { maxKeys: 3 }), { nil: null });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const number = fc.oneof(fc.double(), fc.integer());

const row: Fields<PredictedRow> = {
  row: fc.nat(),
  unit: maybe(text),
  entity: named(fc.oneof(text, fc.integer(), fc.boolean())),
  request: named(fc.jsonValue()),
  features: named(fc.jsonValue()),
  statuses: named(fc.constantFrom('NOT_FOUND' as const, 'OUTSIDE_MAX_AGE' as const)),
  inputs: named(fc.oneof(fc.array(number), fc.jsonValue())),
  outputs: named(fc.oneof(number, fc.jsonValue(), fc.constant(undefined))),
};

const origin = fc.record({ device: text, session: text, runner: text, predictedAt: number, sentAt: number, graph: maybe(text) });

const fields: Fields<PredictionMade> = {
  predictionId: text,
  requestId: maybe(text),
  deployment: maybe(text),
  model: text,
  version: fc.integer(),
  digest: maybe(text),
  experiment: maybe(text),
  variant: maybe(text),
  rollout: maybe(text),
  rows: fc.array(fc.record(row), { maxLength: 3 }),
  featureService: maybe(text),
  featureTime: maybe(number),
  featurePositions: named(fc.jsonValue()),
  featureVersions: named(text),
  batchRows: maybe(fc.nat()),
  latencyMicros: fc.nat(),
  error: maybe(fc.record({ code: text, message: text })),
  traceparent: maybe(text),
  edge: maybe(origin),
  stream: maybe(text),
  mayRepeat: fc.boolean(),
};

const OPTIONAL = ['rollout', 'edge', 'stream', 'mayRepeat'] as const;
const required = (Object.keys(fields) as (keyof PredictionMade)[]).filter((key) => !OPTIONAL.some((optional) => optional === key));

test('the text of a record is what JSON.stringify makes of it, whatever is in it', () => {
  fc.assert(
    fc.property(fc.record(fields, { requiredKeys: required }) as fc.Arbitrary<PredictionMade>, (record) => {
      const { text: written } = predictionJson(record);
      expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(record)));
    }),
    { numRuns: 500 },
  );
});

test('inputs that are text already stand as they are', () => {
  const nothing = { unit: null, entity: null, request: null, features: null, statuses: null };
  const record = {
    rows: [{ row: 0, ...nothing, inputs: { x: new JsonText('[1.0, 2e0]') }, outputs: { y: 3 } }],
  } as unknown as PredictionMade;
  expect(predictionJson({ ...record, predictionId: 'p', version: 1, latencyMicros: 5 }).text).toContain(
    '"inputs":{"x":[1.0, 2e0]},"outputs":{"y":3}',
  );
});

test('more names than are kept are quoted all the same', () => {
  for (let index = 0; index < 3000; index++) {
    const record = { predictionId: '', rows: [], deployment: `"${index}"` } as unknown as PredictionMade;
    expect(predictionJson({ ...record, version: 1, latencyMicros: 1 }).text).toContain(`"deployment":"\\"${index}\\""`);
  }
});
