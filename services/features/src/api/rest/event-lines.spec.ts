import { parseShallowJson } from '@millrace/kernel';
import { expect, test } from '@jest/globals';
import { compileSource, readSourceEvent, readSourceRecord } from '@millrace/feature-engine';
import type { GivenEvent } from '../../sources/event-intake.js';
import { arrayEvents, cloudEvents, ndjsonEvents } from './event-lines.js';

const plan = compileSource({
  name: 's',
  topic: 's',
  eventTime: 'at',
  schema: { at: 'DateTime64(3)', user: 'Int64', wide: 'UInt64', amount: 'Float64', small: 'Nullable(Int32)', note: 'Nullable(String)' },
});
const AT = '2026-01-01T00:00:00Z';
const TEXT = `{"at":"${AT}","user":-9007199254740993,"wide":18446744073709551615,"amount":12345678901234567890,"other":{"id":9007199254740993}}`;
const LONGS = { user: -9007199254740993n, wide: 18446744073709551615n, amount: 12345678901234567000 };

async function* bytes(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

async function all(events: AsyncIterable<GivenEvent> | Iterable<GivenEvent>): Promise<{ fields: unknown; value: Buffer }[]> {
  const found: { fields: unknown; value: Buffer }[] = [];
  for await (const event of events) found.push(event as never);
  return found;
}

/** What the log's readers make of it, and what the door does. */
function values(event: { fields: unknown; value: Buffer }, headers = {}): unknown[] {
  const record = { topic: 's', partition: 0, offset: 0, key: null, timestamp: 0, headers, value: event.value };
  return [readSourceRecord(plan, 'json', record), readSourceEvent(plan, event.fields, 0, 0)].map((read) =>
    read.ok ? Object.fromEntries(plan.columns.map(({ name }, index) => [name, read.value.values[index]])) : read.reason,
  );
}

test('64-bit integers that come as numbers keep their digits on their way to the log, in every form of a request', async () => {
  const [line] = await all(ndjsonEvents(plan, bytes(TEXT), 1_000));
  expect(values(line!)).toEqual([expect.objectContaining(LONGS), expect.objectContaining(LONGS)]);
  expect(line!.value.toString()).toContain('"other":{"id":9007199254740993}');
  const [item] = await all(arrayEvents(plan, [parseShallowJson(TEXT)], 1_000));
  expect(values(item!)).toEqual([expect.objectContaining(LONGS), expect.objectContaining(LONGS)]);
  const event = parseShallowJson(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":${TEXT}}`);
  const [cloud] = await all(cloudEvents(plan, [event], 1_000));
  expect(values(cloud!, { ce_specversion: '1.0' })).toEqual([expect.objectContaining(LONGS), expect.objectContaining(LONGS)]);
});

test('a line without any goes to the log as it came', async () => {
  const text = `{"at": "${AT}", "user": 5, "wide": "18446744073709551615", "amount": 1.5}`;
  const [line] = await all(ndjsonEvents(plan, bytes(text), 1_000));
  expect(line!.value.toString()).toBe(text);
});

test('one that does not fit is refused with all its digits, and one that lost some before it came here with what to do', () => {
  const given = (field: object) => values({ fields: { at: AT, user: 1, wide: 1, amount: 1, ...field }, value: Buffer.from('{}') })[1];
  expect(given({ small: 9007199254740993n })).toBe('field small is 9007199254740993; it must be Int32');
  expect(given({ note: 9007199254740993n })).toBe('field note is 9007199254740993; it must be String');
  expect(given({ user: 2 ** 53 })).toBe(
    'field user is a number beyond 2^53, of which not all digits may be left, so write it as text; it must be Int64',
  );
});

test('a byte order mark before the first line is passed over, and bytes that are no text are refused', async () => {
  const text = `{"at":"${AT}","user":1,"wide":1,"amount":1,"note":"é\ufffd"}`;
  const odd = Buffer.concat([
    Buffer.from(`\ufeff${text}\r\n${text.slice(0, -4)}`),
    Buffer.from([0xff, 0x22, 0x7d, 0x0a]),
    Buffer.from(`\ufeff${text}`),
  ]);
  // In pieces of one byte, as a network may send them.
  const pieces = (async function* () {
    for (const byte of odd) yield await Promise.resolve(Buffer.from([byte]));
  })();
  const [first, second, third] = (await all(ndjsonEvents(plan, pieces, 1_000))) as unknown as Record<string, unknown>[];
  expect(String(first?.['value'])).toBe(text);
  expect(second).toEqual({ line: 2, reason: 'the line is not JSON: it has bytes that are no text in UTF-8' });
  expect(third).toMatchObject({ line: 3, reason: expect.stringMatching(/^the line is not JSON: Unexpected token/) });
});
