import type { BatchResult, Decoded, ItemBatch, LogRecord } from '@millrace/event-log';
import { isFault, type LoggedDecision, type Position } from '@millrace/kernel';
import { decisionReader } from '@millrace/service';
import type { WebhookDeliveryQueued } from '../domain/webhooks/deliveries.js';
import { notificationOf, type NotifiedModel } from '../domain/webhooks/notification.js';
import type { Webhook } from '../domain/webhooks/webhooks.decider.js';

/** What the reactor needs of the domain whose decisions it reads. */
export interface ReactedLog {
  readonly domain: string;
  waitFor(position: Position): Promise<void>;
  readonly replica: { isAccepted(record: LoggedDecision): boolean };
}

export interface WebhookQueueOptions {
  readonly log: ReactedLog;
  /** Waits until every webhook and model that the log holds now is known. */
  readonly upToDate: () => Promise<void>;
  readonly webhooks: () => Iterable<Webhook>;
  readonly modelOf: (modelId: string) => NotifiedModel | undefined;
  readonly derivedId: (event: string, webhookId: string) => string;
  readonly append: (deliveries: readonly WebhookDeliveryQueued[]) => Promise<unknown>;
}

/** Types that make a notification; the rest of a busy topic is passed over without a look inside. */
const HEARD =
  /\.(Model(Registered|Deleted|Tagged|Untagged)|Version(Registered|Tagged|Untagged|Moved|Deleted)|Alias(Assigned|Removed)|Run(Created|Finished|Deleted))\./;

/**
 * Queues a delivery for each webhook that asked for what was decided. It reads the decisions as any consumer does and asks the replica
 * whether one was accepted. A record that comes again queues the same deliveries, by the same ids.
 */
export class WebhookQueue {
  readonly #read: ReturnType<typeof decisionReader>;

  constructor(private readonly options: WebhookQueueOptions) {
    this.#read = decisionReader(options.log.domain);
  }

  /** A record is looked into only once it is known that somebody listens. */
  readonly decode = (record: LogRecord): Decoded<LogRecord> => {
    const type = record.headers['ce_type'];
    if (type === undefined || !HEARD.test(type.toString())) return { ok: 'skip', reason: 'nothing webhooks are told of' };
    return { ok: true, value: record };
  };

  readonly handle = async ({ items }: ItemBatch<LogRecord>): Promise<BatchResult> => {
    const last = items.at(-1);
    if (!last) return { kind: 'ok' };
    const { log, upToDate, webhooks, append } = this.options;
    try {
      await Promise.all([log.waitFor(last.record), upToDate()]);
      if (![...webhooks()].some(({ active }) => active)) return { kind: 'ok' };
      const deliveries = items.flatMap(({ value }) => {
        const decoded = this.#read(value);
        // What cannot be read is put aside by the projection of all decisions; one letter of it is enough.
        return decoded.ok && log.replica.isAccepted(decoded.value) ? this.#deliveriesOf(decoded.value) : [];
      });
      if (deliveries.length > 0) await append(deliveries);
      return { kind: 'ok' };
    } catch (error) {
      if (!isFault(error)) throw error;
      return { kind: 'retry', reason: error.message };
    }
  };

  #deliveriesOf(decision: LoggedDecision): WebhookDeliveryQueued[] {
    const { log, webhooks, modelOf, derivedId } = this.options;
    const listening = [...webhooks()].filter(({ active, createdAt }) => active && createdAt <= decision.time);
    if (listening.length === 0) return [];
    const notification = notificationOf(decision, modelOf);
    if (!notification) return [];
    const { name } = notification;
    const data = JSON.stringify(notification.data);
    const event = `${log.domain}/${decision.subject}#${decision.sequence}`;
    return listening
      .filter(({ events }) => events.includes(name))
      .map(({ webhookId }) => ({ deliveryId: derivedId(event, webhookId), webhookId, name, occurredAt: decision.time, data }));
  }
}
