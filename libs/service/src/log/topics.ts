import type { EventLog, TopicSpec } from '@millrace/event-log';
import { Fault } from '@millrace/kernel';

/** Partitions of every topic of ours, for ever: adding some would put a key's records in two partitions. */
export const PARTITIONS = 4;

/** The topic of a domain's decisions. */
export function decisionsTopic(domain: string): string {
  return `millrace.${domain}.decisions`;
}

/** Makes topics, and refuses a log whose topic has another partition count than the one that is frozen. */
export class Topics {
  readonly #ensured = new Map<string, Promise<void>>();

  constructor(private readonly log: EventLog) {}

  /** Once per topic and process; later calls are free. */
  ensure(spec: TopicSpec): Promise<void> {
    let ensured = this.#ensured.get(spec.name);
    if (!ensured) {
      ensured = this.#ensure(spec);
      this.#ensured.set(spec.name, ensured);
      // A failure is not kept: the next caller tries again.
      ensured.catch(() => this.#ensured.delete(spec.name));
    }
    return ensured;
  }

  async #ensure(spec: TopicSpec): Promise<void> {
    const found = await this.log.partitions(spec.name);
    if (found !== undefined && found !== spec.partitions) {
      throw new Fault(
        'MR_TOPIC_PARTITIONS',
        `topic ${spec.name} has ${found} partitions, but the manifest has ${spec.partitions}: keys would be read from the wrong ` +
          `partition. Point this process at the log it was made for, or restore the topic with ${spec.partitions} partitions.`,
        false,
        { details: { topic: spec.name, found, expected: spec.partitions } },
      );
    }
    await this.log.ensureTopic(spec);
  }
}
