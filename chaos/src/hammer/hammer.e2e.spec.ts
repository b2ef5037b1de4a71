import { expect, test } from '@jest/globals';
import { hammer, violations } from './hammer.js';

const brokers = process.env['MILLRACE_TEST_KAFKA_BROKERS'] as string;

test('two processes hammer one subject on Kafka with 1,000 commands each: 2,000 accepted, none lost or doubled, equal digests', async () => {
  const reports = await hammer({ brokers, writers: 2, strokes: 1000 });
  for (const { writer, counts, latency } of reports) {
    console.log(`${writer}: p50 ${latency.p50} ms, p99 ${latency.p99} ms, max ${latency.max} ms; ${counts.void} records void`);
  }
  expect(violations(reports, 1000)).toEqual([]);
  expect(reports.map((report) => report.accepted.length)).toEqual([1000, 1000]);
}, 180_000);
