import type { BatchResult, ItemBatch } from '@millrace/event-log';
import type { Clock, Scheduler } from '@millrace/kernel';
import {
  isRetried,
  pauseAfter,
  type DeliveryFact,
  type RetryPolicy,
  type WebhookDeliveryAttempted,
  type WebhookDeliveryQueued,
} from '../domain/webhooks/deliveries.js';
import type { Webhook } from '../domain/webhooks/webhooks.decider.js';
import type { WebhookAnswer, WebhookRequest } from './webhook-request.js';

export interface WebhookSenderOptions {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly retry: RetryPolicy;
  /** Waits until every webhook that the log holds now is known. */
  readonly upToDate: () => Promise<void>;
  readonly webhook: (webhookId: string) => Webhook | undefined;
  /** The key to sign with; a reason when there is one that cannot be read. */
  readonly secretOf: (webhook: Webhook) => { readonly secret: string | undefined } | { readonly unreadable: string };
  readonly send: (request: WebhookRequest) => Promise<WebhookAnswer>;
  /** Appends what became of an attempt; resolves when it is durable. */
  readonly append: (attempt: WebhookDeliveryAttempted) => Promise<unknown>;
  /** Told that everything before an offset is settled. */
  readonly settled: (partition: number, offset: number) => void;
  readonly onFailure: (error: unknown) => void;
}

interface Due {
  readonly delivery: WebhookDeliveryQueued;
  readonly partition: number;
  readonly offset: number;
  attempts: number;
  nextAttemptAt: number;
  /** Takes back the timer; `undefined` while none runs. */
  cancel: (() => void) | undefined;
}

/** Deliveries that wait or are tried again, in one process; at the bound the topic's partition waits until there is room. */
const MOST_DUE = 10_000;
const MOST_AT_ONCE = 16;
/** Deliveries settled of late, so that one that was queued twice is sent once. */
const MOST_REMEMBERED = 100_000;
const APPEND_AGAIN_MS = 1000;

/**
 * Sends what is due and tries again what failed. It holds no state of its own: it folds the facts of its partitions from the oldest
 * delivery that is not settled, so after a crash, or when another process takes a partition over, it goes on where the log says. A
 * delivery may be sent twice, under the same id; none is forgotten.
 */
export class WebhookSender {
  readonly #due = new Map<string, Due>();
  readonly #settledIds = new Set<string>();
  readonly #next = new Map<number, number>();
  readonly #caughtUp = new Set<number>();
  readonly #waiting: Due[] = [];
  #running = 0;
  #isStopped = false;

  constructor(private readonly options: WebhookSenderOptions) {}

  readonly handle = async (batch: ItemBatch<DeliveryFact>): Promise<BatchResult> => {
    const { partition, items, nextOffset, end } = batch;
    if (this.#due.size + items.length > MOST_DUE) return { kind: 'retry', reason: `${MOST_DUE} deliveries are due`, afterMs: 1000 };
    for (const { record, value } of items) this.#fold(value, partition, record.offset);
    this.#next.set(partition, nextOffset);
    // What the log says of a delivery further on has to be known before it is sent.
    if (nextOffset >= end) this.#caughtUp.add(partition);
    if (this.#caughtUp.has(partition)) for (const due of this.#due.values()) if (due.partition === partition) this.#arm(due);
    this.#advance(partition);
    return { kind: 'ok' };
  };

  /** Another process has them now. */
  readonly revoked = (partitions: readonly number[]): void => {
    for (const partition of partitions) {
      this.#caughtUp.delete(partition);
      this.#next.delete(partition);
    }
    for (const [id, due] of this.#due) {
      if (!partitions.includes(due.partition)) continue;
      due.cancel?.();
      this.#due.delete(id);
    }
  };

  stop(): void {
    this.#isStopped = true;
    for (const due of this.#due.values()) due.cancel?.();
    this.#due.clear();
  }

  #fold({ type, data }: DeliveryFact, partition: number, offset: number): void {
    const { deliveryId } = data;
    const known = this.#due.get(deliveryId);
    if (type === 'WebhookDeliveryQueued') {
      if (known || this.#settledIds.has(deliveryId)) return;
      this.#due.set(deliveryId, { delivery: data, partition, offset, attempts: 0, nextAttemptAt: 0, cancel: undefined });
      return;
    }
    if (data.nextAttemptAt === null) {
      this.#remember(deliveryId);
      known?.cancel?.();
      this.#due.delete(deliveryId);
    } else if (known && data.attempt > known.attempts) {
      known.attempts = data.attempt;
      known.nextAttemptAt = data.nextAttemptAt;
    }
  }

  #arm(due: Due): void {
    if (due.cancel || this.#isStopped) return;
    const pause = Math.max(0, due.nextAttemptAt - this.options.clock.now());
    due.cancel = this.options.scheduler.after(pause, () => {
      this.#waiting.push(due);
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#running < MOST_AT_ONCE) {
      const due = this.#waiting.shift();
      if (!due) return;
      if (!this.#holds(due)) continue;
      this.#running++;
      this.#attempt(due)
        .catch((error: unknown) => this.#postpone(due, error))
        .finally(() => {
          this.#running--;
          this.#pump();
        });
    }
  }

  /** The log or a fold is away: nothing was said about the attempt, so it is made again. */
  #postpone(due: Due, error: unknown): void {
    this.options.onFailure(error);
    due.nextAttemptAt = this.options.clock.now() + APPEND_AGAIN_MS;
    due.cancel = undefined;
    if (this.#holds(due)) this.#arm(due);
  }

  async #attempt(due: Due): Promise<void> {
    const { clock, append, upToDate } = this.options;
    const { deliveryId, webhookId, name } = due.delivery;
    await upToDate();
    const started = clock.now();
    const { status, error } = await this.#send(due.delivery);
    if (!this.#holds(due)) return;
    const attempt = due.attempts + 1;
    const pause = error === null || (status !== null && !isRetried(status)) ? undefined : pauseAfter(attempt, this.options.retry);
    const nextAttemptAt = pause === undefined || status === 0 ? null : clock.now() + pause;
    await append({
      ...{ deliveryId, webhookId, name, attempt },
      outcome: error === null ? 'delivered' : nextAttemptAt === null ? 'gave-up' : 'retrying',
      status: status === 0 ? null : status,
      error,
      durationMs: Math.max(0, clock.now() - started),
      nextAttemptAt,
    });
    due.cancel = undefined;
    due.attempts = attempt;
    if (nextAttemptAt === null) {
      this.#remember(deliveryId);
      this.#due.delete(deliveryId);
      this.#advance(due.partition);
    } else {
      due.nextAttemptAt = nextAttemptAt;
      if (this.#holds(due)) this.#arm(due);
    }
  }

  /** `status` 0: it was not sent, and no later attempt would be. */
  async #send(delivery: WebhookDeliveryQueued): Promise<{ status: number | null; error: string | null }> {
    const { clock, webhook: webhookOf, secretOf, send } = this.options;
    const webhook = webhookOf(delivery.webhookId);
    if (!webhook) return { status: 0, error: 'the webhook was deleted' };
    if (!webhook.active) return { status: 0, error: 'the webhook is disabled' };
    const key = secretOf(webhook);
    if ('unreadable' in key) return { status: null, error: key.unreadable };
    const answer = await send({ ...delivery, url: webhook.url, secret: key.secret, now: clock.now() });
    if (answer.status === null) return { status: null, error: answer.text };
    const isSuccess = answer.status >= 200 && answer.status < 300;
    return { status: answer.status, error: isSuccess ? null : `answered ${answer.status}: ${answer.text.slice(0, 500)}` };
  }

  #holds(due: Due): boolean {
    return !this.#isStopped && this.#due.get(due.delivery.deliveryId) === due;
  }

  #remember(deliveryId: string): void {
    this.#settledIds.add(deliveryId);
    if (this.#settledIds.size > MOST_REMEMBERED) this.#settledIds.delete(this.#settledIds.values().next().value as string);
  }

  /** Everything before the oldest that is due is settled. */
  #advance(partition: number): void {
    const next = this.#next.get(partition);
    if (next === undefined) return;
    let low = next;
    for (const due of this.#due.values()) if (due.partition === partition) low = Math.min(low, due.offset);
    this.options.settled(partition, low);
  }
}
