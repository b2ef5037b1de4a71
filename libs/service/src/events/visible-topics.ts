import { ALL_TOPICS, topicManifest } from '@millrace/contracts';
import { deadLetterTopicOf, type EventLog } from '@millrace/event-log';
import { sourceTopic, type ResourceCatalog } from '@millrace/resources';

export interface VisibleTopic {
  readonly name: string;
  readonly kind: 'decisions' | 'facts' | 'source' | 'outputs' | 'dead-letters';
  readonly holds: string;
}

/**
 * The topics a process shows: the platform's own, those of the sources it knows or knew and of what streaming inference writes or wrote, and the
 * dead letters of them. Whatever else is on a shared broker is none of its business.
 */
export class VisibleTopics {
  constructor(
    private readonly log: EventLog,
    private readonly catalog: ResourceCatalog,
  ) {}

  /** Those that exist, by name. */
  async list(): Promise<VisibleTopic[]> {
    const existing = await this.log.topics();
    return [...existing].sort().flatMap((name) => this.find(name) ?? []);
  }

  /** What is known of a topic by its name, whether it exists or not. */
  find(name: string): VisibleTopic | undefined {
    const manifest = topicManifest(name);
    if (manifest) return { name, kind: manifest.kind, holds: manifest.holds };
    for (const topic of this.#defined()) {
      if (topic.name === name) return topic;
    }
    const origin = [...ALL_TOPICS, ...this.#defined()].find((topic) => deadLetterTopicOf(topic.name) === name);
    return origin && { name, kind: 'dead-letters', holds: `what could not be taken from ${origin.name}` };
  }

  /** Of the definitions there are, then of those that were: what is on the log stays to be read. A topic of outputs may be that of a source too, which reads them. */
  *#defined(): Iterable<VisibleTopic> {
    yield* this.#current();
    for (const name of this.catalog.names('Source')) {
      for (const { spec } of this.catalog.versions('Source', name))
        yield { name: sourceTopic(name, spec), kind: 'source', holds: `events of source ${name}, as it was` };
    }
    for (const name of this.catalog.names('StreamingInference')) {
      for (const { spec } of this.catalog.versions('StreamingInference', name))
        yield { name: spec.output.topic, kind: 'outputs', holds: `outputs of streaming inference ${name}, as it was` };
    }
  }

  *#current(): Iterable<VisibleTopic> {
    for (const { name, spec } of this.catalog.list('Source')) {
      yield { name: sourceTopic(name, spec), kind: 'source', holds: `events of source ${name}` };
    }
    for (const { name, spec } of this.catalog.list('StreamingInference')) {
      yield { name: spec.output.topic, kind: 'outputs', holds: `outputs of streaming inference ${name}` };
    }
  }
}
