import type { EventLog } from '@millrace/event-log';
import type { SourcePlan } from '@millrace/feature-engine';
import { formatPosition, type Position } from '@millrace/kernel';
import { quoteTable, type OfflineStore } from '@millrace/offline-store';
import { sourceTable } from '../sources/source-table.js';
import { spineFault } from './spine-fault.js';
import type { Known } from './training-set-request.js';

export interface KnownOptions {
  readonly log: EventLog;
  readonly store: OfflineStore;
  /** Resolves when the tables of a topic hold everything before these offsets. */
  readonly waitForTable: (topic: string, next: readonly number[]) => Promise<void>;
}

export type Positions = Readonly<Record<string, readonly number[]>>;

/**
 * What was known, as next offsets by topic and partition; when it resolves the tables hold all of it. A time means, in each partition, what stands before
 * the first record that was appended later: a prefix of the log, whatever clocks have done since.
 */
export async function knownPositions(options: KnownOptions, sources: readonly SourcePlan[], known: Known): Promise<Positions> {
  const byTopic = new Map(sources.map((source) => [source.topic, source]));
  const topics = [...byTopic.keys()].sort();
  const given = known.kind === 'positions' ? known.positions : {};
  const foreign = known.kind === 'position' ? [known.position.topic] : Object.keys(given);
  for (const topic of foreign) {
    if (!byTopic.has(topic)) throw spineFault(`asKnown names topic ${topic}; the features rest on ${topics.join(', ')}`);
  }
  const positions: Record<string, readonly number[]> = {};
  for (const topic of topics) {
    const end = [...(await options.log.end(topic))];
    const asked = given[topic];
    if (asked && (asked.length !== end.length || asked.some((offset, partition) => offset > (end[partition] as number)))) {
      throw spineFault(`asKnown.${topic} is [${asked.join(', ')}]; the topic stands at [${end.join(', ')}]`);
    }
    const next = asked ?? end;
    await options.waitForTable(topic, next);
    positions[topic] = next;
  }
  if (known.kind !== 'time' && known.kind !== 'position') return positions;
  const at =
    known.kind === 'time' ? known.at : await appendedAt(options.store, byTopic.get(known.position.topic) as SourcePlan, known.position);
  for (const [topic, source] of byTopic) {
    const end = positions[topic] as readonly number[];
    const later = await firstLater(options.store, source, at);
    positions[topic] = end.map((offset, partition) => Math.min(offset, later.get(partition) ?? offset));
  }
  if (known.kind === 'position') {
    const { topic, partition, offset } = known.position;
    positions[topic] = (positions[topic] as readonly number[]).map((next, index) => (index === partition ? offset + 1 : next));
  }
  return positions;
}

/** By partition the first record that was appended after a time. */
async function firstLater(store: OfflineStore, source: SourcePlan, at: number): Promise<Map<number, number>> {
  const rows = await store.query<{ partition: number; first: string }>(
    `SELECT _partition AS partition, min(_offset) AS first FROM ${quoteTable(sourceTable(source.name))}
     WHERE _appended > fromUnixTimestamp64Milli({at:Int64}, 'UTC') GROUP BY partition`,
    { at },
  );
  return new Map(rows.map(({ partition, first }) => [Number(partition), Number(first)]));
}

async function appendedAt(store: OfflineStore, source: SourcePlan, position: Position): Promise<number> {
  const { partition, offset } = position;
  const [row] = await store.query<{ at: string }>(
    `SELECT toUnixTimestamp64Milli(_appended) AS at FROM ${quoteTable(sourceTable(source.name))}
     WHERE _partition = {partition:UInt32} AND _offset = {offset:Int64} LIMIT 1`,
    { partition, offset },
  );
  if (!row) throw spineFault(`asKnown is ${formatPosition(position)}, and source ${source.name} has no event there`);
  return Number(row.at);
}
