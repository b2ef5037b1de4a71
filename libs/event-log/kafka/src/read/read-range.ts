import type { LogRecord } from '@millrace/event-log';
import { Fault } from '@millrace/kernel';
import type { Brokers } from '../wire/brokers.js';
import { faultOf, partitionUnknown } from '../wire/faults.js';
import { assertFetchable, fetchRequest } from '../wire/fetch-request.js';
import { errorOfCode } from '../wire/kafkajs-internals.js';
import { settledOffsets } from '../wire/offsets.js';
import { recordsOf, type RawBatch } from '../wire/record-batch-reader.js';
import { TransactionFilter } from '../wire/transaction-filter.js';

/** Nothing has to be waited for: the range is there already. */
const FETCH = { maxWaitMs: 0, maxBytes: 4 * 1024 * 1024 };

/** The records of one partition from `from` to `to` or the end as it is now. Throws `MR_RECORD_UNREADABLE` at what cannot be read. */
export async function* readRange(
  brokers: Brokers,
  topic: string,
  partition: number,
  from: number,
  to = Infinity,
): AsyncGenerator<LogRecord> {
  const begins = await settledOffsets(brokers, topic, 'begin');
  const begin = begins[partition];
  if (begin === undefined) throw partitionUnknown(topic, partition, begins.length);
  const last = Math.min(to, (await settledOffsets(brokers, topic, 'end'))[partition] as number);
  const leaders = await brokers.leaders(topic);
  let next = Math.max(from, begin);
  const transactions = new TransactionFilter();
  while (next < last) {
    const broker = await brokers.node(leaders[partition] as number);
    assertFetchable(broker);
    const request = fetchRequest(topic, [{ partition, offset: next, maxBytes: FETCH.maxBytes }], FETCH);
    const [answer] = await brokers.send(broker, request, `reading ${topic}/${partition}`);
    if (!answer) throw new Fault('MR_LOG_UNAVAILABLE', `the broker did not answer for ${topic}/${partition}`, true);
    if (answer.errorCode !== 0) throw faultOf(errorOfCode(answer.errorCode), `reading ${topic}/${partition}`);
    const before = next;
    for (const { raw, counts } of transactions.batchesOf(answer)) {
      if (raw.lastOffset < next) continue;
      for (const record of counts ? readable(topic, partition, raw, next) : []) {
        if (record.offset >= last) return;
        yield record;
      }
      next = raw.lastOffset + 1;
    }
    if (next === before) return;
  }
}

function readable(topic: string, partition: number, batch: RawBatch, from: number): LogRecord[] {
  try {
    return recordsOf(topic, partition, batch, from);
  } catch (error) {
    const message = `${topic}/${partition}@${batch.baseOffset} cannot be read: ${(error as Error).message}; go on at ${batch.lastOffset + 1}`;
    throw new Fault('MR_RECORD_UNREADABLE', message, false, { cause: error, details: { nextOffset: batch.lastOffset + 1 } });
  }
}
