import { describe, expect, test } from '@jest/globals';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { problemsOf, readEvents, readHistories } from './schemas.mjs';

const events = readEvents();
const ajv = new Ajv({ strict: true, allowUnionTypes: true });
formats.default(ajv);
const validators = new Map<string, ValidateFunction>(events.map(({ key, schema }) => [key, ajv.compile(schema)]));

/** What a writer may write: the schema as it is, closed, where a reader lets properties pass that it does not know. */
function problemOf(key: string, data: unknown): string | undefined {
  const validate = validators.get(key);
  if (!validate) return `there is no schema of ${key}`;
  return validate(data) ? undefined : ajv.errorsText(validate.errors);
}

describe('schemas/', () => {
  test('is well written', () => {
    expect(problemsOf(events)).toEqual([]);
  });

  test.each(events)('$key: every sample is what a writer may write', ({ key, golden = [] }) => {
    for (const sample of golden) expect({ sample, problem: problemOf(key, sample) }).toEqual({ sample, problem: undefined });
  });

  test.each(readHistories())('$domain/histories/$name: every line is what a writer may write', ({ domain, events: lines }) => {
    for (const line of lines) {
      expect(Object.keys(line)).toEqual(['type', 'version', 'data']);
      expect({ line, problem: problemOf(`${domain}.${line.type}.v${line.version}`, line.data) }).toEqual({ line, problem: undefined });
    }
  });
});
