import type { Clock, Scheduler } from '@millrace/kernel';
import type { LineageEvent } from '../queries/open-lineage-events.js';
import type { DeliveryStatus } from '../queries/open-lineage.query.js';

/** How a receiver took an event. */
export type Delivered = { readonly kind: 'taken' } | { readonly kind: 'refused' | 'failed'; readonly reason: string };

export interface OpenLineageOptions {
  readonly topics: readonly string[];
  /** Partitions of a topic that are this process's. */
  readonly assigned: (topic: string) => readonly number[];
  readonly position: (topic: string, partition: number) => Promise<number>;
  readonly save: (topic: string, partition: number, next: number) => Promise<void>;
  readonly read: (
    topic: string,
    partition: number,
    from: number,
    limit: number,
  ) => Promise<{ events: readonly (LineageEvent & { readonly next: number })[]; next: number }>;
  readonly send: (event: LineageEvent) => Promise<Delivered>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly onTrouble: (trouble: { kind: 'refused' | 'failed'; reason: string; eventId: string | null }) => void;
}

const PAUSE_MS = 1000;
const FIRST_BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 5 * 60_000;
const BATCH = 200;
const MOST_REFUSED = 100;

/**
 * Sends lineage events to a receiver, in the order of each partition. The position is stored after an event was taken, so what was sent when the
 * process died is sent again, with the same id. A receiver that is away is tried again, later and later; an event it refuses as such is told and passed.
 */
export class OpenLineageReactor {
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  #delivered = 0;
  #refused: { eventId: string; reason: string; at: string }[] = [];
  #failure: { reason: string; since: number; retries: number } | undefined;

  constructor(private readonly options: OpenLineageOptions) {}

  start(): void {
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#running;
  }

  status(): DeliveryStatus {
    const failure = this.#failure;
    return {
      delivered: this.#delivered,
      refused: this.#refused,
      failure: failure ? { reason: failure.reason, since: new Date(failure.since).toISOString(), retries: failure.retries } : null,
    };
  }

  #schedule(milliseconds: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.options.scheduler.after(milliseconds, () => {
      this.#running = this.#look().then((pause) => this.#schedule(pause));
    });
  }

  /** Sends what there is; returns when to look again. */
  async #look(): Promise<number> {
    const { topics, assigned, clock, onTrouble } = this.options;
    try {
      let isMore = false;
      for (const topic of topics) {
        for (const partition of assigned(topic)) isMore = (await this.#deliver(topic, partition)) || isMore;
      }
      this.#failure = undefined;
      return isMore ? 0 : PAUSE_MS;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#failure = { reason, since: this.#failure?.since ?? clock.now(), retries: (this.#failure?.retries ?? 0) + 1 };
      onTrouble({ kind: 'failed', reason, eventId: null });
      return Math.min(FIRST_BACKOFF_MS * 2 ** (this.#failure.retries - 1), LONGEST_BACKOFF_MS);
    }
  }

  /** Whether there may be more. Throws when the receiver or a store is away. */
  async #deliver(topic: string, partition: number): Promise<boolean> {
    const { position, save, read, send, clock, onTrouble } = this.options;
    const from = await position(topic, partition);
    const { events, next } = await read(topic, partition, from, BATCH);
    let stored = from;
    for (const event of events) {
      if (this.#isStopped) return false;
      const answer = await send(event);
      if (answer.kind === 'failed') throw new Error(answer.reason);
      if (answer.kind === 'refused') {
        this.#refused = [...this.#refused, { eventId: event.id, reason: answer.reason, at: new Date(clock.now()).toISOString() }].slice(
          -MOST_REFUSED,
        );
        onTrouble({ kind: 'refused', reason: answer.reason, eventId: event.id });
      } else this.#delivered++;
      await save(topic, partition, event.next);
      stored = event.next;
      // It is there: what fails after this is another failure, tried again as soon as the first.
      this.#failure = undefined;
    }
    if (next > stored) await save(topic, partition, next);
    return next > from;
  }
}
