import { PARTITIONS } from '@millrace/contracts';
import { partitionOf, type EventLog } from '@millrace/event-log';
import { decisionReader, type DomainLog } from '@millrace/service';
import { rolloutSubject } from '../domain/rollout/rollout.decider.js';

/** One decision of a rollout as it stands in the log. */
export interface RolloutDecision {
  readonly sequence: number;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly actor: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Every decision of a rollout there ever was, with the numbers it rested on, from the log itself. */
export class RolloutHistory {
  constructor(
    private readonly log: Pick<EventLog, 'read'>,
    private readonly domain: Pick<DomainLog, 'topic' | 'domain'>,
  ) {}

  async of(name: string): Promise<RolloutDecision[]> {
    const subject = rolloutSubject(name);
    const read = decisionReader(this.domain.domain);
    const decisions: RolloutDecision[] = [];
    for await (const record of this.log.read(this.domain.topic, partitionOf(subject, PARTITIONS), 0)) {
      const decision = read(record);
      // The one rule of every reader: accepted iff it is the next of its subject.
      if (!decision.ok || decision.value.subject !== subject || decision.value.sequence !== decisions.length + 1) continue;
      const { sequence, type, time, actor, data } = decision.value;
      decisions.push({ sequence, type, time, actor, data: data as Record<string, unknown> });
    }
    return decisions;
  }
}
