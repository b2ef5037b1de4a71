import type { DecisionRecord, Journal, Position } from '@millrace/kernel';
import { encodeDecision } from './cloud-events.js';
import type { EventLog } from './event-log.js';
import { partitionOf } from './partition.js';

/** The command handler's {@link Journal} over a domain's decisions topic. */
export class LogJournal implements Journal {
  constructor(
    private readonly log: EventLog,
    private readonly domain: string,
    private readonly topic: string,
    private readonly partitions: number,
  ) {}

  async append(record: DecisionRecord): Promise<Position> {
    const encoded = encodeDecision(this.topic, this.domain, record);
    const [position] = await this.log.append([{ ...encoded, partition: partitionOf(record.subject, this.partitions) }]);
    return position as Position;
  }

  async end(subject: string): Promise<Position> {
    const partition = partitionOf(subject, this.partitions);
    const ends = await this.log.end(this.topic);
    return { topic: this.topic, partition, offset: ends[partition] as number };
  }
}
