import { factReader } from '@millrace/contracts';
import { decodeFact, type Decoded, type Item, type LogRecord } from '@millrace/event-log';
import type { DeliveryFact, WebhookDeliveryAttempted, WebhookDeliveryQueued } from '../domain/webhooks/deliveries.js';

export const WEBHOOK_DELIVERIES_TABLE = 'millrace.webhook_delivery_facts';

const queued = factReader<WebhookDeliveryQueued>('registry', 'WebhookDeliveryQueued');
const attempted = factReader<WebhookDeliveryAttempted>('registry', 'WebhookDeliveryAttempted');

/** Reads a fact of a delivery; what is none goes to the dead letters with the reason. */
export function decodeDelivery(record: LogRecord): Decoded<DeliveryFact> {
  const fact = decodeFact(record);
  if (fact.ok !== true) return fact;
  const first = queued(fact.value);
  if (first.ok === true) return { ok: true, value: { type: 'WebhookDeliveryQueued', data: first.value } };
  if (first.ok === false) return first;
  const second = attempted(fact.value);
  if (second.ok === true) return { ok: true, value: { type: 'WebhookDeliveryAttempted', data: second.value } };
  return { ok: false, reason: second.reason };
}

/** A fact as a row; attempt 0 is the queueing. */
export function deliveryRow({ record, value: { type, data } }: Item<DeliveryFact>): object {
  const about = { delivery_id: data.deliveryId, webhook_id: data.webhookId, name: data.name, at: record.timestamp };
  if (type === 'WebhookDeliveryQueued') {
    return {
      ...about,
      occurred_at: data.occurredAt,
      data: data.data,
      attempt: 0,
      outcome: 'queued',
      status: null,
      error: '',
      duration_ms: 0,
      next_attempt_at: null,
    };
  }
  const { attempt, outcome, status, error, durationMs, nextAttemptAt } = data;
  return {
    ...about,
    occurred_at: 0,
    data: '',
    attempt,
    outcome,
    status,
    error: error ?? '',
    duration_ms: durationMs,
    next_attempt_at: nextAttemptAt,
  };
}
