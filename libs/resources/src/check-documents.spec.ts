import { expect, test } from '@jest/globals';
import { checkDocument } from './check-documents.js';

const lookup = ((kind: string, name: string) =>
  kind === 'FeatureView' && name === 'cards' ? { features: [{ name: 'income' }, { name: 'age' }] } : undefined) as never;

function problemsOf(redact: readonly string[]): string[] {
  const spec = { model: 'models:/m/1', predictionLog: { redact } };
  const document = { index: 1, kind: 'Deployment' as const, name: 'd', labels: {}, description: null, spec: spec as never };
  return checkDocument(document, lookup, undefined as never).map(({ field, message }) => `${field} ${message}`);
}

test('a redacted feature has to be one of its view; names of anything else are left to the model and the request', () => {
  expect(problemsOf(['*', 'iban', 'x__y', 'cards__income', 'cards:age'])).toEqual([]);
  expect(problemsOf(['iban', 'cards__incone'])).toEqual([
    'spec.predictionLog.redact[1] FeatureView cards has no feature incone; its features are income, age',
  ]);
});
