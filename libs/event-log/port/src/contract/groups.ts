import { expect, test } from '@jest/globals';
import { collector, eventually, PATIENCE_MS, text, type Collector, type ContractTopics } from './fixture.js';

export function groupContract(topics: ContractTopics): void {
  test(
    'readers of a group share the partitions, hand them over and take them back',
    async () => {
      const topic = await topics.topic(4);
      const log = topics.log();
      const group = `${topic}.group`;
      // Positions are the callers': what is handled is remembered for whoever owns the partition next.
      const positions = [0, 0, 0, 0];
      const revoked: number[] = [];
      const member = (into: Collector) =>
        topics.subscribe({
          topic,
          group,
          from: (partition) => positions[partition]!,
          onBatch: async (batch) => {
            await into.onBatch(batch);
            positions[batch.partition] = Math.max(positions[batch.partition]!, batch.nextOffset);
          },
          onRevoked: (partitions) => void revoked.push(...partitions),
        });
      const write = (round: string) => log.append([0, 1, 2, 3].map((partition) => text(topic, partition, round)));
      const [one, two] = [collector(), collector()];
      const handled = (round: string) => new Set([...one.records(), ...two.records()].filter((r) => r.value.toString() === round));
      const partitionsOf = (round: string) => new Set([...handled(round)].map((record) => record.partition)).size;

      const first = await member(one);
      await eventually(() => first.assigned().length === 4, 'the only member to own everything');
      await write('alone');
      await eventually(() => partitionsOf('alone') === 4, 'the only member to handle everything');

      const second = await member(two);
      await eventually(() => first.assigned().length === 2 && second.assigned().length === 2, 'two members with two partitions each');
      expect([...first.assigned(), ...second.assigned()].sort()).toEqual([0, 1, 2, 3]);
      expect(revoked.length).toBeGreaterThanOrEqual(2);
      await write('together');
      await eventually(() => partitionsOf('together') === 4, 'both members to handle everything');
      expect(two.values()).toContain('together');

      await first.stop();
      await eventually(() => second.assigned().length === 4, 'the last member to own everything');
      await write('after');
      await eventually(() => partitionsOf('after') === 4, 'the last member to handle everything');
      expect(one.values()).not.toContain('after');
      await second.stop();
    },
    PATIENCE_MS,
  );

  test(
    'groups do not share with one another, nor with readers without a group',
    async () => {
      const topic = await topics.topic(2);
      const collectors = [collector(), collector(), collector()];
      const groups = [`${topic}.a`, `${topic}.b`, undefined];
      const subscriptions = await Promise.all(
        collectors.map(({ onBatch }, index) => {
          const group = groups[index];
          return topics.subscribe({ topic, from: () => 0, onBatch, ...(group === undefined ? {} : { group }) });
        }),
      );
      await topics.log().append([text(topic, 0, 'x'), text(topic, 1, 'y')]);
      for (const { has, values } of collectors) {
        await has(2);
        expect(values().sort()).toEqual(['x', 'y']);
      }
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
    },
    PATIENCE_MS,
  );
}
