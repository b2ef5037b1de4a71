import { ALL_TOPICS } from '@millrace/contracts';
import type { EventLog, TopicSpec } from '@millrace/event-log';
import { Fault } from '@millrace/kernel';

/** Makes topics, and refuses a log whose topic has another partition count than the one that is frozen. */
export class Topics {
  readonly #ensured = new Map<string, Promise<void>>();

  constructor(private readonly log: EventLog) {}

  /** Makes every topic of the platform, whichever service comes first, and checks the ones that are there against the manifest. */
  async ensureAll(): Promise<void> {
    await Promise.all(ALL_TOPICS.map(({ name, partitions, retention }) => this.ensure({ name, partitions, retention })));
  }

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
