import { expect, test } from '@jest/globals';
import { decodeOnce } from './decode-once.js';
import type { LogRecord } from './event-log.js';

const record = (offset: number, bytes = 10): LogRecord => ({
  ...{ topic: 't', partition: 0, offset, key: null, headers: {}, timestamp: 0 },
  value: Buffer.alloc(bytes),
});

test('decodes a record once while it is among the newest, and another record of the same place by itself', () => {
  const decoded: number[] = [];
  const decode = decodeOnce(({ offset }) => {
    decoded.push(offset);
    return { offset };
  });
  const [first, second] = [record(1), record(2)];
  expect(decode(first)).toBe(decode(first));
  expect(decode(second)).toEqual({ offset: 2 });
  expect(decode(record(1))).not.toBe(decode(first));
  expect(decoded).toEqual([1, 2, 1]);
  // What is larger than what is kept is decoded, and two of them take everything with them.
  decode(record(3, 2 * 1024 * 1024));
  decode(first);
  decode(record(4, 2 * 1024 * 1024));
  decode(first);
  expect(decoded).toEqual([1, 2, 1, 3, 4, 1]);
});
