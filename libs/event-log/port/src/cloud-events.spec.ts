import { describe, expect, test } from '@jest/globals';
import type { DecisionRecord } from '@millrace/kernel';
import fc from 'fast-check';
import {
  decodeDecision,
  decodeFact,
  encodeDecision,
  encodeFact,
  formatEventType,
  parseEventType,
  parseJson,
  traceparentOf,
  type CloudEvent,
} from './cloud-events.js';
import type { LogRecord, NewRecord } from './event-log.js';
import { JsonText } from './json-text.js';

const name = fc.stringMatching(/^[A-Z][A-Za-z0-9]{0,20}$/);
const text = fc.string({ unit: 'grapheme', minLength: 1 });
const time = fc.integer({ min: 0, max: Date.UTC(9999, 0) });
const data = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);

const decision: fc.Arbitrary<DecisionRecord> = fc.record(
  {
    id: text,
    type: name,
    version: fc.integer({ min: 1, max: 99 }),
    subject: text,
    sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    commandId: text,
    actor: fc.string({ unit: 'grapheme' }),
    time,
    keyId: fc.constant('0a1b2c3d4e5f6071'),
    traceparent: fc.constant('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
    data,
  },
  { requiredKeys: ['id', 'type', 'version', 'subject', 'sequence', 'commandId', 'actor', 'time', 'data'] },
);

const fact: fc.Arbitrary<CloudEvent> = fc.record(
  { id: text, type: text, source: text, subject: text, time, traceparent: text, data },
  { requiredKeys: ['id', 'type', 'source', 'time', 'data'] },
);

function logged({ topic, key, value, headers = {}, timestamp = 0 }: NewRecord): LogRecord {
  return { topic, partition: 2, offset: 41, key, value, headers, timestamp };
}

const PLAIN: DecisionRecord = {
  id: 'c1:w:1',
  type: 'RunFinished',
  version: 2,
  subject: 'run/1',
  sequence: 3,
  commandId: 'c1',
  actor: 'ada',
  time: 1_700_000_000_123,
  data: { status: 'FINISHED' },
};

describe('a decision on the wire', () => {
  test('comes back as it was, with its position', () => {
    fc.assert(
      fc.property(decision, (given) => {
        const decoded = decodeDecision('tracking', logged(encodeDecision('t', 'tracking', given)));
        expect(decoded).toEqual({ ok: true, value: { ...given, position: { topic: 't', partition: 2, offset: 41 } } });
      }),
    );
  });

  test('is a CloudEvent in binary mode, keyed by its subject', () => {
    const { key, value, headers, timestamp } = encodeDecision('t', 'tracking', PLAIN);
    expect({ key, value: value.toString(), headers, timestamp }).toEqual({
      key: 'run/1',
      value: '{"status":"FINISHED"}',
      timestamp: 1_700_000_000_123,
      headers: {
        ce_specversion: '1.0',
        ce_id: 'c1:w:1',
        ce_type: 'millrace.tracking.RunFinished.v2',
        ce_source: '/millrace/tracking',
        ce_subject: 'run/1',
        ce_time: '2023-11-14T22:13:20.123Z',
        ce_dataschema: '/schemas/tracking/RunFinished/v2.json',
        ce_sequence: '3',
        ce_commandid: 'c1',
        ce_actor: 'ada',
        'content-type': 'application/json',
      },
    });
  });

  test.each([
    ['a type of another form', { ce_type: 'RunFinished' }, /ce_type "RunFinished" is not/],
    ['another domain', { ce_type: 'millrace.registry.RunFinished.v2' }, /is of domain registry/],
    ['no subject', { ce_subject: '' }, /ce_subject/],
    ['no sequence', { ce_sequence: '' }, /ce_sequence/],
    ['a sequence of nought', { ce_sequence: '0' }, /not a positive integer/],
    ['a sequence beyond counting', { ce_sequence: '9'.repeat(20) }, /not a positive integer/],
    ['no time', { ce_time: 'yesterday' }, /ce_time "yesterday"/],
  ])('is refused with %s, and the reason says so', (_, headers, reason) => {
    const record = logged(encodeDecision('t', 'tracking', PLAIN));
    expect(decodeDecision('tracking', { ...record, headers: { ...record.headers, ...headers } })).toEqual({
      ok: false,
      reason: expect.stringMatching(reason),
    });
  });

  test('never throws, whatever the bytes and headers are', () => {
    const record = logged(encodeDecision('t', 'tracking', PLAIN));
    const names = Object.keys(record.headers);
    fc.assert(
      fc.property(
        fc.uint8Array(),
        fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })),
        fc.boolean(),
        (value, changed, both) => {
          const headers = both ? { ...record.headers, ...changed } : changed;
          expect(typeof decodeDecision('tracking', { ...record, value: Buffer.from(value), headers }).ok).toBe('boolean');
          expect(typeof decodeFact({ ...record, value: Buffer.from(value), headers }).ok).toBe('boolean');
        },
      ),
    );
  });
});

describe('a fact on the wire', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(fact, (given) => {
        expect(decodeFact(logged(encodeFact('t', 'key', given)))).toEqual({ ok: true, value: given });
      }),
    );
  });

  test('is written as it stands where it is text already', () => {
    const record = logged(encodeFact('t', null, { id: '1', type: 'x', source: 's', time: 5, data: new JsonText('{"a": 1.0}') }));
    expect(record.value.toString()).toBe('{"a": 1.0}');
    expect(decodeFact(record)).toMatchObject({ ok: true, value: { data: { a: 1 } } });
  });

  test('takes the record’s time when it has none of its own', () => {
    const record = logged(encodeFact('t', null, { id: '1', type: 'x', source: 's', time: 5, data: null }));
    const { ce_time: _, ...headers } = record.headers;
    expect(decodeFact({ ...record, headers, timestamp: 99 })).toMatchObject({ ok: true, value: { time: 99 } });
  });
});

test('an event type survives its text, and nothing else is taken for one', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{1,15}$/), name, fc.nat(1_000), (domain, type, version) => {
      expect(parseEventType(formatEventType({ domain, name: type, version }))).toEqual({ domain, name: type, version });
    }),
  );
  for (const other of [undefined, '', 'millrace.a.B', 'millrace.a.b.v1', 'millrace.A.B.v1', 'x.a.B.v1', 'millrace.a.B.v1 ']) {
    expect(parseEventType(other)).toBeUndefined();
  }
});

test('a trace is found on CloudEvents and on plain records', () => {
  expect(traceparentOf({ ce_traceparent: 'a', traceparent: 'b' })).toBe('a');
  expect(traceparentOf({ traceparent: 'b' })).toBe('b');
  expect(traceparentOf({})).toBeUndefined();
});

test('a record without a value is told from a damaged one', () => {
  expect(parseJson(Buffer.alloc(0))).toEqual({ ok: false, reason: 'the value is not JSON: it is empty, or a tombstone' });
  expect(parseJson(Buffer.from('{'))).toMatchObject({ ok: false, reason: expect.stringMatching(/^the value is not JSON: .*JSON/) });
});
