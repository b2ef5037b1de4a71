import { expect, test } from '@jest/globals';
import type { Position } from '@millrace/kernel';
import { prepare, sizeInBatch } from '../wire/record-batch-writer.js';
import { PartitionQueue, type Append } from './partition-queue.js';

const INVALID_RECORD = 87;
const IDENTITY = { producerId: 7n, epoch: 0 };

/** An append of so many large records, several batches of them. */
function append(queue: PartitionQueue, count: number): { readonly outcome: () => string } {
  let outcome = 'waiting';
  const one: Append = {
    positions: new Array<Position>(count),
    waiting: count,
    deadline: 1000,
    resolve: () => (outcome = 'written'),
    reject: (fault) => (outcome = fault.message),
  };
  for (let index = 0; index < count; index++) {
    const prepared = prepare({ topic: 't', key: null, value: Buffer.alloc(600) }, 0);
    queue.add({ append: one, index, prepared, size: sizeInBatch(prepared) });
  }
  return { outcome: () => outcome };
}

const answer = (errorCode: number, baseOffset = 0) => ({ topic: 't', partition: 0, errorCode, baseOffset });

test('what is left of an append whose batch was refused is not written behind the gap', () => {
  const queue = new PartitionQueue('t', 0, 1, 2000);
  const [refused, other] = [append(queue, 5), append(queue, 1)];
  queue.take(IDENTITY);
  expect(queue.sent().records).toHaveLength(3);
  queue.settle(answer(INVALID_RECORD));
  expect(refused.outcome()).toMatch(/its records there are not in the log/);
  queue.take(IDENTITY);
  expect(queue.sent().records).toHaveLength(1);
  queue.settle(answer(0));
  expect([other.outcome(), queue.isEmpty]).toEqual(['written', true]);
});

test('one record that the broker finds too large takes what came after it in its append along', () => {
  const queue = new PartitionQueue('t', 0, 1, 100_000);
  const one = append(queue, 4);
  for (let tries = 0; one.outcome() === 'waiting'; tries++) {
    if (tries > 10) throw new Error('it never ends');
    queue.take(IDENTITY);
    queue.settle(answer(10));
  }
  expect(one.outcome()).toMatch(/more than the topic takes/);
  expect(queue.isEmpty).toBe(true);
});

test('an append given up in the middle leaves nothing of itself, and others what is theirs', () => {
  const queue = new PartitionQueue('t', 0, 1, 2000);
  const [late, next] = [append(queue, 3), append(queue, 1)];
  queue.take(IDENTITY);
  queue.markIndefinite();
  expect(queue.giveUp(1000, new Error('the broker is away'))).toBe(true);
  expect([late.outcome(), next.outcome(), queue.isEmpty]).toEqual([
    expect.stringMatching(/may be in the log all the same/),
    expect.stringMatching(/are not in the log/),
    true,
  ]);
});
