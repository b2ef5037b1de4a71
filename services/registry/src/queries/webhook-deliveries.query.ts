import type { OfflineStore } from '@millrace/offline-store';
import type { WebhookDeliveryQueued } from '../domain/webhooks/deliveries.js';

export interface DeliveryView {
  readonly deliveryId: string;
  readonly event: string;
  /** `queued`, or how the last attempt ended. */
  readonly outcome: string;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly occurredAt: string;
  readonly changedAt: string;
}

/** The newest deliveries of a webhook, each as it stands. */
export async function webhookDeliveries(store: OfflineStore, webhookId: string, limit: number): Promise<DeliveryView[]> {
  const rows = await store.query<Row>(
    `SELECT delivery_id, name, outcome, attempts, last_status, last_error,
       toUnixTimestamp64Milli(occurred) AS occurred_ms, toUnixTimestamp64Milli(changed) AS changed_ms
     FROM millrace.webhook_deliveries WHERE webhook_id = {webhookId:String}
     ORDER BY occurred DESC, delivery_id LIMIT {limit:UInt64}`,
    { webhookId, limit },
  );
  return rows.map((row) => ({
    deliveryId: row.delivery_id,
    event: row.name,
    outcome: row.outcome,
    attempts: Number(row.attempts),
    lastStatus: row.last_status,
    lastError: row.last_error === '' ? null : row.last_error,
    occurredAt: new Date(Number(row.occurred_ms)).toISOString(),
    changedAt: new Date(Number(row.changed_ms)).toISOString(),
  }));
}

/** What was queued as a delivery; `undefined` for one that the webhook does not have. */
export async function queuedDelivery(
  store: OfflineStore,
  webhookId: string,
  deliveryId: string,
): Promise<WebhookDeliveryQueued | undefined> {
  const [row] = await store.query<{ name: string; occurred_at: string; data: string }>(
    `SELECT name, occurred_at, data FROM millrace.webhook_delivery_facts
     WHERE webhook_id = {webhookId:String} AND delivery_id = {deliveryId:String} AND attempt = 0 LIMIT 1`,
    { webhookId, deliveryId },
  );
  return row && { deliveryId, webhookId, name: row.name, occurredAt: Number(row.occurred_at), data: row.data };
}

interface Row {
  readonly delivery_id: string;
  readonly name: string;
  readonly outcome: string;
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string;
  readonly occurred_ms: string;
  readonly changed_ms: string;
}
