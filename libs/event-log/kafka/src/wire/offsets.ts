import { isFault, type NextOffsets } from '@millrace/kernel';
import type { Brokers, Leaders } from './brokers.js';
import { READ_COMMITTED } from './fetch-request.js';

const EARLIEST = -2;
const LATEST = -1;

/** The offset of the first kept record (`begin`) or after the last committed one (`end`), by partition. */
export async function offsetsOf(
  brokers: Brokers,
  topic: string,
  leaders: Leaders,
  edge: 'begin' | 'end',
  partitions: readonly number[],
): Promise<Map<number, number>> {
  const timestamp = edge === 'begin' ? EARLIEST : LATEST;
  const byLeader = new Map<number, number[]>();
  for (const partition of partitions) {
    const leader = leaders[partition] ?? -1;
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), partition]);
  }
  const found = new Map<number, number>();
  await Promise.all(
    [...byLeader].map(async ([leader, ofLeader]) => {
      const broker = await brokers.node(leader);
      const topics = [{ topic, partitions: ofLeader.map((partition) => ({ partition, timestamp })) }];
      const { responses } = await brokers.calling(broker, `asking for the ${edge} of ${topic}`, () =>
        broker.listOffsets({ isolationLevel: READ_COMMITTED, topics }),
      );
      for (const { partition, offset } of responses.flatMap((response) => response.partitions)) found.set(partition, Number(offset));
    }),
  );
  return found;
}

const PATIENCE_MS = 10_000;
const LONGEST_PAUSE_MS = 200;

/**
 * The same for all partitions of a topic, asked until the leaders agree that they lead: for a moment after a topic is made or a
 * broker has started, the one that is named as the leader does not know it yet. Refused while no broker is there.
 */
export async function settledOffsets(brokers: Brokers, topic: string, edge: 'begin' | 'end'): Promise<NextOffsets> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let pause = 2; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      const leaders = await brokers.leaders(topic);
      const partitions = [...leaders.keys()];
      const offsets = await offsetsOf(brokers, topic, leaders, edge, partitions);
      return partitions.map((partition) => offsets.get(partition) as number);
    } catch (error) {
      if (!isFault(error) || !error.retryable) throw error;
      if (brokers.areAway) throw brokers.away(`asking for the ${edge} of ${topic} failed`, error);
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
