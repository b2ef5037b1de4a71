import { expect, test } from '@jest/globals';
import { compileSource, readSourceEvent } from '@millrace/feature-engine';
import { parseJson } from '@millrace/event-log';
import { ndjsonEvents } from '../api/rest/event-lines.js';
import { rejectionKind } from './rejection-kind.js';
import { SourceReader } from './source-record.js';

const plan = compileSource({
  name: 's',
  topic: 's',
  eventTime: 'at',
  key: ['city'],
  schema: { at: 'DateTime64(3)', city: 'String', fare: 'Float64' },
});
const reader = new SourceReader(
  { version: 1, plan, format: 'json', partitions: 1, expectations: [] },
  { partitions: 64, maxAheadMs: 1_000 },
);

test('reasons that are given are of a kind that names the column and no value', async () => {
  const at = '2026-01-01T00:00:00Z';
  const read = (fields: unknown): string => {
    const event = readSourceEvent(plan, fields, 0, 0);
    return event.ok ? '' : rejectionKind(event.reason);
  };
  expect(read({ at, city: 'Bern' })).toBe('fare is missing');
  expect(read({ at, city: null, fare: 1 })).toBe('city is null');
  expect(read({ at, city: 'Bern', fare: 'much; it must be\nmore' })).toBe('fare is no Float64');
  expect(read({ at: 'soon', city: 'Bern', fare: 1 })).toBe('at is no DateTime64(3)');
  expect(read([])).toBe('no JSON object');
  const ahead = reader.read({ at, city: 'Bern', fare: 1 }, 0, 0, Date.parse(at) - 2_000);
  expect(ahead.ok ? '' : rejectionKind(ahead.reason)).toBe('at is too far ahead');
  const partition = (reader.partition('Bern') + 1) % 64;
  const record = { topic: 's', partition, offset: 0, key: null, headers: {}, timestamp: Date.parse(at) };
  const wrong = reader.decode({ ...record, value: Buffer.from(JSON.stringify({ at, city: 'Bern', fare: 1 })) });
  expect(wrong.ok === false ? rejectionKind(wrong.reason) : '').toBe('in the wrong partition');
  const parsed = parseJson(Buffer.from('{"a'));
  expect(parsed.ok ? '' : rejectionKind(parsed.reason)).toBe('no JSON');
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.from(`{"a"\n${'x'.repeat(50)}\n`);
  }
  const kinds: string[] = [];
  for await (const event of ndjsonEvents(plan, body(), 20)) kinds.push('reason' in event ? rejectionKind(event.reason) : '');
  expect(kinds).toEqual(['no JSON', 'too long']);
  expect(rejectionKind('who knows')).toBe('other');
});
