import type { CommandMetadata } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';
import { jsonOf, LIST_PAGE, limitOf, PAGED, pageOf, ProblemError, type PageQuery } from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import type { WebhookDeliveryQueued } from '../../domain/webhooks/deliveries.js';
import type { Webhook } from '../../domain/webhooks/webhooks.decider.js';
import { queuedDelivery, webhookDeliveries } from '../../queries/webhook-deliveries.query.js';
import { webhookEvents, type WebhooksApi } from '../mlflow/webhook-routes.js';
import { DELIVERIES_ANSWER, NO_WEBHOOK, REDELIVERY_ANSWER, WEBHOOKS_ANSWER } from './answers.js';
import { doc } from './doc.js';
import { badPage } from './fields.js';

/** Without its secret, which never leaves. */
function show({ webhookId, name, url, events, description, active, createdAt, updatedAt }: Webhook): object {
  return {
    ...{ webhookId, name, url, events: webhookEvents(events) },
    ...(description === null ? {} : { description }),
    ...{
      status: active ? 'ACTIVE' : 'DISABLED',
      createdAt: new Date(createdAt).toISOString(),
      updatedAt: new Date(updatedAt).toISOString(),
    },
  };
}

export interface WebhookAdministration {
  readonly api: Pick<WebhooksApi, 'all' | 'webhook' | 'metadata'>;
  readonly offline: OfflineStore;
  /** Waits until every webhook and delivery that the log holds now is known. */
  readonly upToDate: () => Promise<unknown>;
  readonly newDeliveryId: (metadata: CommandMetadata) => string;
  readonly queue: (delivery: WebhookDeliveryQueued) => Promise<unknown>;
}

/**
 * All webhooks, also those of our own events that clients of MLflow cannot read, and their deliveries. They are made, changed and deleted
 * over MLflow's endpoints.
 */
export function webhookAdministration({ api, offline, upToDate, newDeliveryId, queue }: WebhookAdministration) {
  const existing = async (webhookId: string): Promise<Webhook> => {
    await upToDate();
    const webhook = api.webhook(webhookId);
    if (webhook) return webhook;
    throw new ProblemError(404, 'MR_REGISTRY_WEBHOOK_NOT_FOUND', `there is no webhook ${JSON.stringify(webhookId)}`);
  };
  return (scope: FastifyInstance): void => {
    scope.get<{ Querystring: PageQuery }>(
      '/api/v1/webhooks',
      doc('Lists the webhooks, also those of our own events.', { query: PAGED, answer: jsonOf(WEBHOOKS_ANSWER) }),
      async ({ query }) => {
        const items = async (): Promise<readonly Webhook[]> => {
          await upToDate();
          return api.all();
        };
        const { page, next } = await pageOf(query, { items, tokenOf: ({ webhookId }) => webhookId, invalid: badPage });
        return { webhooks: page.map(show), ...next };
      },
    );
    scope.get<{ Params: { webhookId: string }; Querystring: { limit?: string } }>(
      '/api/v1/webhooks/:webhookId/deliveries',
      doc('Lists what was sent to a webhook, and what became of it.', {
        query: { limit: PAGED.limit },
        answer: jsonOf(DELIVERIES_ANSWER),
        errors: NO_WEBHOOK,
      }),
      async ({ params, query }) => {
        const limit = limitOf(query.limit, LIST_PAGE, (message) => new ProblemError(400, 'MR_REGISTRY_LIMIT', message));
        const { webhookId } = await existing(params.webhookId);
        return { deliveries: await webhookDeliveries(offline, webhookId, limit) };
      },
    );
    // Under an id of its own: receivers pass over one they have seen, and what became of the first stays as it is.
    scope.post<{ Params: { webhookId: string; deliveryId: string } }>(
      '/api/v1/webhooks/:webhookId/deliveries/:deliveryId/redeliver',
      doc('Sends a delivery of a webhook again, under an id of its own.', {
        body: {},
        answer: jsonOf(REDELIVERY_ANSWER),
        statuses: { 202: 'It is queued.' },
        errors: { 404: 'There is no such webhook, or no such delivery of it.' },
      }),
      async (request, reply) => {
        const { webhookId } = await existing(request.params.webhookId);
        const delivery = await queuedDelivery(offline, webhookId, request.params.deliveryId);
        if (!delivery) {
          const message = `webhook ${webhookId} has no delivery ${JSON.stringify(request.params.deliveryId)}`;
          throw new ProblemError(404, 'MR_REGISTRY_DELIVERY_NOT_FOUND', message);
        }
        const again = { ...delivery, deliveryId: newDeliveryId(api.metadata(request)) };
        await queue(again);
        return reply.status(202).send({ deliveryId: again.deliveryId });
      },
    );
  };
}
