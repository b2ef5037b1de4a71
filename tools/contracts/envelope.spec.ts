import { describe, expect, test } from '@jest/globals';
import { deadLetterOf, encodeDecision, encodeFact, type LogRecord } from '@millrace/event-log';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { DEAD_LETTER_ENVELOPE, headersOf, type Header } from './envelope.mjs';

const AT = { time: 1_767_225_600_000, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', data: {} };
const DECISION = {
  ...AT,
  id: 'i',
  type: 'RunDeleted',
  version: 1,
  subject: 'run/r',
  sequence: 2,
  commandId: 'c',
  actor: 'Zoe \u00c9',
  keyId: '0a1b2c3d4e5f6071',
};
const FACT = { ...AT, id: 'i', type: 'millrace.tracking.MetricPointsLogged.v1', source: '/millrace/tracking', subject: 'run/r' };

/** The names in order, and the texts against what is said of them. */
function check(written: Readonly<Record<string, unknown>>, described: readonly Omit<Header, 'required'>[]): void {
  expect(Object.keys(written).sort()).toEqual(described.map(({ name }) => name).sort());
  const ajv = new Ajv();
  formats.default(ajv);
  for (const { name, schema = {} } of described) {
    expect({ name, text: written[name], fits: ajv.validate({ ...schema, type: 'string' }, written[name]) }).toMatchObject({ fits: true });
  }
}

describe('the envelope as it is described is the envelope as it is written', () => {
  test('of a decision', () => {
    check(encodeDecision('millrace.tracking.decisions', 'tracking', DECISION).headers ?? {}, headersOf('decisions'));
  });

  test('of a fact', () => {
    check(encodeFact('millrace.tracking.metric-points', 'r', FACT).headers ?? {}, headersOf('facts'));
  });

  test('where something is left out', () => {
    const { traceparent: _, keyId: _key, ...decision } = DECISION;
    const { traceparent: _trace, subject: _subject, ...fact } = FACT;
    const required = (kind: 'decisions' | 'facts') => headersOf(kind).filter((header) => header.required);
    check(encodeDecision('millrace.tracking.decisions', 'tracking', decision).headers ?? {}, required('decisions'));
    check(encodeFact('millrace.tracking.metric-points', 'r', fact).headers ?? {}, required('facts'));
  });

  test('of a dead letter', () => {
    const record: LogRecord = { topic: 'flights', partition: 1, offset: 7, key: null, value: Buffer.from('?'), headers: {}, timestamp: 1 };
    check(deadLetterOf(record, 'c', { code: 'REFUSED', message: 'no \u00fc' }, AT.time).headers ?? {}, DEAD_LETTER_ENVELOPE);
  });
});
