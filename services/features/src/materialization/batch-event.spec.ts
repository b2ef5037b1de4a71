import { compileSource, readSourceEvent } from '@millrace/feature-engine';
import { expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { computedId, fieldsOfRow } from './batch-event.js';

const plan = compileSource({
  name: 's',
  topic: 't',
  key: ['city', 'line'],
  eventTime: 'at',
  eventId: 'event_id',
  schema: {
    city: 'String',
    line: 'Int64',
    at: 'DateTime64(3)',
    fare: 'Nullable(Float64)',
    stops: 'Nullable(Int32)',
    late: 'Nullable(Bool)',
    seen: 'Nullable(DateTime64(3))',
    event_id: 'String',
  },
});

test('texts become what the columns hold, and what they cannot be stays to be refused', () => {
  expect(fieldsOfRow(plan, ['7', '9007199254740993', '1767225600000', '1e-3', '12', 'TRUE', '2026-01-01 00:00:00', undefined])).toEqual({
    city: '7',
    line: '9007199254740993',
    at: '2026-01-01T00:00:00.000Z',
    fare: 0.001,
    stops: 12,
    late: true,
    seen: '2026-01-01 00:00:00',
  });
  const wrong = fieldsOfRow(plan, ['', '1', '0', 'nan', '', 'yes', 'soon', undefined]);
  expect(wrong).toMatchObject({ fare: 'nan', stops: '', late: 'yes', seen: 'soon' });
  expect(readSourceEvent(plan, { ...wrong, event_id: '' }, 0, 0)).toEqual({
    ok: false,
    reason: 'field fare is "nan"; it must be Float64',
  });
  expect(fieldsOfRow(plan, ['', '1', '0', '1e400', '-1e999', null, null, undefined])).toMatchObject({ fare: '1e400', stops: '-1e999' });
});

test('the id of a row is the documented hash of its key and its event time, and of nothing else', () => {
  const event = (more: object) => {
    const read = readSourceEvent(plan, { city: 'Bern', line: '9', at: 1767225600000, event_id: '', ...more }, 0, 0);
    if (!read.ok) throw new Error(read.reason);
    return read.value;
  };
  const id = computedId(plan, event({}));
  expect(id).toBe(createHash('sha256').update('["Bern","9","1767225600000"]').digest('hex').slice(0, 32));
  expect(computedId(plan, event({ fare: 3, line: 9 }))).toBe(id);
  expect(computedId(plan, event({ line: 8 }))).not.toBe(id);
  expect(computedId(plan, event({ at: 1767225600001 }))).not.toBe(id);
});
