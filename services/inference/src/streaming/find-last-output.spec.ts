import { expect, test } from '@jest/globals';
import { outputHeaders, type OutputPlace } from '@millrace/contracts';
import type { EventLog, LogRecord } from '@millrace/event-log';
import { Fault } from '@millrace/kernel';
import { findLastOutput } from './find-last-output.js';

const OF = { stream: 's', generation: 2, topic: 't', partition: 1 };

/** A partition of records, some of them outputs. Counts what is read of it; what is `damaged` cannot be. */
function log(places: readonly (Partial<OutputPlace> | null | 'damaged')[], begin = 0): { log: EventLog; reads: () => number } {
  let reads = 0;
  const end = begin + places.length;
  const found = {
    begin: () => Promise.resolve([0, begin]),
    end: () => Promise.resolve([0, end]),
    async *read(_topic: string, _partition: number, from: number, to: number): AsyncGenerator<Pick<LogRecord, 'headers'>> {
      for (let offset = from; offset < to; offset++) {
        const place = places[offset - begin];
        if (place === 'damaged') throw new Fault('MR_RECORD_UNREADABLE', 'damaged', false, { details: { nextOffset: offset + 1 } });
        reads++;
        yield { headers: place ? outputHeaders({ ...OF, offset: 0, ...place }) : {} };
      }
    },
  };
  return { log: found as never, reads: () => reads };
}

test('the end of the partition tells, and little more than that is read', async () => {
  const { log: one, reads } = log(Array.from({ length: 10_000 }, (_, n) => ({ offset: n * 3 })));
  expect(await findLastOutput(one, 'out', OF)).toBe(29_997);
  expect(reads()).toBeLessThan(100);
});

test('what was written again behind it is lower and does not count', async () => {
  const { log: one } = log([{ offset: 4 }, { offset: 5 }, { offset: 9 }, { offset: 5 }, { offset: 6 }]);
  expect(await findLastOutput(one, 'out', OF)).toBe(9);
});

test('outputs of others, of another generation and what is none are passed, however many there are', async () => {
  const others = Array.from({ length: 3_000 }, (_, n) =>
    n % 3 === 0 ? { stream: 'r', offset: n } : n % 3 === 1 ? null : { topic: 'u', offset: n },
  );
  expect(await findLastOutput(log([{ offset: 7 }, ...others]).log, 'out', OF)).toBe(7);
  expect(await findLastOutput(log([{ offset: 70, generation: 1 }, { offset: 2 }]).log, 'out', OF)).toBe(2);
  expect(await findLastOutput(log([{ offset: 70, generation: 1 }]).log, 'out', OF)).toBeUndefined();
  expect(await findLastOutput(log([]).log, 'out', OF)).toBeUndefined();
});

test('what retention has taken and what nobody can read is no obstacle', async () => {
  expect(await findLastOutput(log([null, { offset: 3 }, 'damaged', null], 500).log, 'out', OF)).toBe(3);
  expect(await findLastOutput(log(['damaged'], 500).log, 'out', OF)).toBeUndefined();
});
