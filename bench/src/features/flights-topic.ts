import type { Flights } from '@millrace/example-flights';
import type { NewRecord } from '@millrace/event-log';
import { KafkaEventLog } from '@millrace/event-log-kafka';

const BATCH = 5_000;

/** Fills a topic with flights as plain JSON, keyed by origin, in the order of departure. Both sides read it as it is. */
export async function fillTopic(brokers: string, topic: string, partitions: number, flights: Flights): Promise<void> {
  const log = await KafkaEventLog.connect({ brokers: [brokers], clientId: 'bench-flights' });
  try {
    await log.ensureTopic({ name: topic, partitions, retention: 'forever' });
    for (let from = 0; from < flights.length; from += BATCH) {
      const records: NewRecord[] = [];
      for (let index = from; index < Math.min(from + BATCH, flights.length); index++) {
        const flight = flights.at(index);
        records.push({ topic, key: flight.origin, value: Buffer.from(JSON.stringify(flight)) });
      }
      await log.append(records);
    }
  } finally {
    await log.close();
  }
}
