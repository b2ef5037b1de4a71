import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { deadLetterOf, readDeadLetter } from './dead-letters.js';
import type { LogRecord } from './event-log.js';

const record: fc.Arbitrary<LogRecord> = fc.record({
  topic: fc.constant('orders'),
  partition: fc.nat(9),
  offset: fc.maxSafeNat(),
  key: fc.option(fc.string()),
  value: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  headers: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string(), { noNullPrototype: true }),
  timestamp: fc.nat(),
});

test('a letter keeps key, bytes and headers, and says why, whose and where from', () => {
  fc.assert(
    fc.property(record, fc.string({ unit: 'binary', maxLength: 2_000 }), (given, message) => {
      const letter = deadLetterOf(given, 'orders.totals', { code: 'REFUSED', message }, 1_700_000_000_000);
      expect(letter).toMatchObject({ topic: 'orders.dead-letters', partition: 0, key: given.key, value: given.value });
      const { headers = {}, ...rest } = letter;
      const read = readDeadLetter({ ...rest, headers, partition: 0, offset: 0, timestamp: 0 });
      expect(read).toMatchObject({
        id: `orders/${given.partition}@${given.offset}`,
        consumer: 'orders.totals',
        code: 'REFUSED',
        time: '2023-11-14T22:13:20.000Z',
        record: { headers: given.headers },
      });
      expect(read.reason.length).toBeLessThanOrEqual(1_000);
    }),
  );
});

test('a letter with headers of somebody else’s making can be read all the same', () => {
  const letter = deadLetterOf(
    { topic: 't', partition: 0, offset: 0, key: null, value: Buffer.alloc(0), headers: {}, timestamp: 0 },
    'c',
    { code: 'UNDECODABLE', message: 'x' },
    0,
  );
  const headers = { ...letter.headers, 'millrace-dead-letter-reason': '%E0%A4%A' };
  expect(readDeadLetter({ ...letter, headers, partition: 0, offset: 0, timestamp: 0 }).reason).toBe('%E0%A4%A');
});

test('a reason is cut where it is too long, even in the middle of a character', () => {
  const given = { topic: 't', partition: 0, offset: 0, key: null, value: Buffer.alloc(0), headers: {}, timestamp: 0 };
  for (const message of [`${'x'.repeat(999)}𝄞`, '\ud834', `${'𝄞'.repeat(400)}\udd1e${'𝄞'.repeat(400)}`]) {
    const { headers = {} } = deadLetterOf(given, 'c', { code: 'UNDECODABLE', message }, 0);
    expect(readDeadLetter({ ...given, headers }).reason.length).toBeLessThanOrEqual(1_000);
  }
});
