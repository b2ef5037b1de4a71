import { PARTITIONS } from '@millrace/contracts';
import { encodeFact, formatEventType, partitionOf, type EventLog, type NewRecord } from '@millrace/event-log';
import type { Clock, Ids, Position } from '@millrace/kernel';
import { SpanKind } from '@opentelemetry/api';
import type { Metrics } from '../telemetry/metrics.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import type { Topics } from './topics.js';

/** A fact to append: it happened, and no rule may refuse it. */
export interface NewFact {
  /** The entity it is about; facts of one key stay in order. */
  readonly key: string | null;
  /** Bare event type (`PredictionMade`); the wire adds domain and version. */
  readonly type: string;
  readonly domain: string;
  readonly version?: number;
  readonly subject?: string;
  /** A producer's own id makes a repeat recognisable; a fresh one otherwise. */
  readonly id?: string;
  /** Milliseconds since the epoch; now otherwise. */
  readonly time?: number;
  readonly data: unknown;
}

export interface FactsOptions {
  readonly log: EventLog;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
}

/** Appends facts to their topics as CloudEvents. */
export class Facts {
  readonly #options: FactsOptions;
  readonly #partitions = new Map<string, number>();

  constructor(options: FactsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when every fact is durable, with positions in the order given. A throw is indefinite: some may be in the log, so a
   * caller that tries again gives ids. `traceparent` is the active span's unless given.
   */
  async append(topic: string, facts: readonly NewFact[], traceparent?: string): Promise<readonly Position[]> {
    if (facts.length === 0) return [];
    const { log, telemetry, metrics } = this.#options;
    const partitions = this.#partitions.get(topic) ?? (await this.#countPartitions(topic));
    const positions = telemetry.enabled
      ? await telemetry.span(
          `append ${topic}`,
          {
            kind: SpanKind.PRODUCER,
            traceparent: telemetry.traceparent() ?? traceparent,
            attributes: { 'messaging.destination.name': topic, 'messaging.batch.message_count': facts.length },
          },
          () => log.append(this.#encode(topic, partitions, facts, telemetry.traceparent())),
        )
      : await log.append(this.#encode(topic, partitions, facts, traceparent));
    metrics.facts.inc({ topic }, facts.length);
    return positions;
  }

  async #countPartitions(topic: string): Promise<number> {
    const { log, topics } = this.#options;
    let count = await log.partitions(topic);
    if (count === undefined) {
      await topics.ensure({ name: topic, partitions: PARTITIONS, retention: 'forever' });
      count = PARTITIONS;
    }
    this.#partitions.set(topic, count);
    return count;
  }

  #encode(topic: string, partitions: number, facts: readonly NewFact[], traceparent: string | undefined): NewRecord[] {
    const { clock, ids } = this.#options;
    const now = clock.now();
    return facts.map((fact) => {
      const encoded = encodeFact(topic, fact.key, {
        id: fact.id ?? ids.next(),
        type: formatEventType({ domain: fact.domain, name: fact.type, version: fact.version ?? 1 }),
        source: `/millrace/${fact.domain}`,
        time: fact.time ?? now,
        data: fact.data,
        ...(fact.subject === undefined ? {} : { subject: fact.subject }),
        ...(traceparent === undefined ? {} : { traceparent }),
      });
      return { ...encoded, partition: partitionOf(fact.key, partitions) };
    });
  }
}
