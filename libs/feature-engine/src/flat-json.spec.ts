import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readPlainSourceEvent, readSourceEvent } from './source-event.js';
import { compileSource } from './source-plan.js';

const plan = compileSource({
  name: 'trips',
  topic: 'trips',
  eventTime: 'at',
  eventId: 'id',
  schema: {
    id: 'String',
    at: 'DateTime64(3)',
    line: 'Int32',
    fare: 'Nullable(Float64)',
    night: 'Nullable(Bool)',
    count: 'Nullable(UInt64)',
  },
});

/** The event as the parser gives it; `undefined` when the text is no JSON. */
function parsed(text: string): unknown {
  try {
    return readSourceEvent(plan, JSON.parse(text), 1, 7);
  } catch {
    return undefined;
  }
}
const plain = (text: string): unknown => readPlainSourceEvent(plan, Buffer.from(text), 1, 7);

const event = { id: 'a1', at: '2026-01-01T00:00:00Z', line: 9, fare: 2.5, night: true, count: 12 };
const fields = fc.record({
  id: fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.integer()),
  at: fc.oneof(fc.constant('2026-01-01 10:00:00.123'), fc.integer({ min: 0, max: 2e12 }), fc.constant(null)),
  line: fc.oneof(fc.integer(), fc.double(), fc.constant(-0)),
  fare: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null), fc.integer()),
  night: fc.oneof(fc.boolean(), fc.constant(null)),
  count: fc.oneof(fc.integer(), fc.bigInt({ min: 0n, max: 2n ** 64n }).map(String), fc.constant(null)),
});
const others = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.object()), { maxKeys: 2 });
const layout = fc.constantFrom(undefined, 1, '\t');

describe('an event read without the parser', () => {
  test('is read at all when it is plain, in any order and with blanks', () => {
    for (const text of [
      JSON.stringify(event),
      JSON.stringify(event, null, 2),
      `\n ${JSON.stringify(Object.fromEntries(Object.entries(event).reverse()))}\n`,
      JSON.stringify({ other: 'x', ...event, another: -1.5e-3 }),
      `{"line":1,${JSON.stringify(event).slice(1)}`,
    ]) {
      expect(plain(text)).toMatchObject({ ok: true });
      expect(plain(text)).toEqual(parsed(text));
    }
  });

  test('or left to the parser, and never read otherwise than the parser does', () => {
    fc.assert(
      fc.property(fields, others, layout, fc.boolean(), (own, more, space, first) => {
        const text = JSON.stringify(first ? { ...more, ...own } : { ...own, ...more }, null, space);
        const read = plain(text);
        if (read !== undefined) expect(read).toEqual(parsed(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test('what is no JSON is left to the parser', () => {
    const text = JSON.stringify({ ...event, other: -12.5e3 });
    const edit = fc.record({
      at: fc.nat(text.length),
      cut: fc.nat(2),
      put: fc.constantFrom('', '"', '}', ',', '0', '-', '.', 'e', '\\', '{', ' ', 'é', '\0'),
    });
    fc.assert(
      fc.property(edit, fc.option(edit), (one, two) => {
        let broken = text;
        for (const { at, cut, put } of two ? [one, two] : [one]) broken = broken.slice(0, at) + put + broken.slice(at + cut);
        const read = plain(broken);
        if (read !== undefined) expect(read).toEqual(parsed(broken));
      }),
      { numRuns: 5_000 },
    );
    for (const number of ['01', '1.', '.5', '-', '+1', '1e', '0x1', '--1', 'NaN'])
      expect(plain(`{"id":"a","at":0,"line":${number},"fare":null,"night":null,"count":null}`)).toBeUndefined();
  });
});
