import type { LogRecord } from '@millrace/event-log';
import { decisionsTopic, TOPICS } from '@millrace/contracts';
import type { Clock, Ids, Scheduler } from '@millrace/kernel';
import { registerMlflowRoutes } from '@millrace/mlflow-protocol';
import { migrate, type OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import {
  commandMetadata,
  openSecretBox,
  rawRoutes,
  sendPosition,
  sendProblem,
  LazyCheckpoints,
  StoredCheckpoints,
  type Config,
  type DomainLog,
  type Facts,
  type Lifecycle,
  type LogConsumers,
  type TableProjections,
  type Topics,
} from '@millrace/service';
import type { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { webhookRoutes, type WebhooksApi } from './api/mlflow/webhook-routes.js';
import { webhookAdministration } from './api/rest/webhooks.routes.js';
import { registryConfig } from './config.js';
import { PROMPT_TAG } from './domain/models/prompt-tag.js';
import type { DeliveryFact, WebhookDeliveryAttempted, WebhookDeliveryQueued } from './domain/webhooks/deliveries.js';
import { exampleOf } from './domain/webhooks/example-notification.js';
import type { NotificationName } from './domain/webhooks/notification.js';
import { WEBHOOKS, type Webhooks, type WebhooksRejection } from './domain/webhooks/webhooks.decider.js';
import type { WebhooksEvent } from './domain/webhooks/webhooks.events.js';
import { decodeDelivery, deliveryRow, WEBHOOK_DELIVERIES_TABLE } from './projections/webhook-deliveries.projection.js';
import type { RegistryView } from './queries/registry-view.js';
import { WebhookQueue } from './reactors/webhook-queue.reactor.js';
import { sendWebhook } from './reactors/webhook-request.js';
import { WebhookSender } from './reactors/webhook-sender.reactor.js';

const DOMAIN = 'registry';
const DELIVERIES = TOPICS.webhookDeliveries.name;
const QUEUE = 'registry.webhook-queue';
const SENDER = 'registry.webhook-sender';
/** Decisions gather for so long before they are looked at. */
const LINGER_MS = 50;

/** What webhooks stand on. */
export interface WebhooksHost {
  readonly domain: DomainLog;
  readonly tracking: DomainLog;
  readonly view: RegistryView;
  readonly topics: Topics;
  readonly facts: Facts;
  readonly consumers: LogConsumers;
  readonly tables: TableProjections;
  readonly lifecycle: Lifecycle;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly scheduler: Scheduler;
  readonly config: Config;
  readonly logger: Logger;
}

/** Webhooks: their endpoints, the reactors that queue and send deliveries, and the table of what became of them. */
export async function openWebhooks(http: HttpAdapterHost, host: WebhooksHost): Promise<void> {
  const { domain, topics, facts, tables, offline, clock, ids, config, logger } = host;
  const options = config.of(registryConfig);
  await topics.ensure(TOPICS.webhookDeliveries);
  await migrate(offline, { name: 'registry-webhooks', directory: new URL('./migrations/webhooks/', import.meta.url) });
  const table = await tables.add({
    ...{ name: 'registry.webhook-deliveries', topic: DELIVERIES, table: WEBHOOK_DELIVERIES_TABLE, shared: true },
    ...{ decode: decodeDelivery, toRows: deliveryRow },
  });
  const box = await openSecretBox(config, { purpose: 'webhooks', key: options.webhookKey, file: 'webhook.key' });
  const catalog = () => domain.replica.subject(WEBHOOKS).state as Webhooks;
  const append = (type: DeliveryFact['type'], batch: readonly (WebhookDeliveryQueued | WebhookDeliveryAttempted)[]) =>
    facts.append(
      DELIVERIES,
      batch.map((data) => ({ key: data.deliveryId, type, domain: DOMAIN, subject: `webhook-delivery/${data.deliveryId}`, data })),
    );
  const sending = { timeoutMs: options.webhookTimeoutMs, allowPrivate: options.webhookPrivate };

  const api: WebhooksApi = {
    upToDate: () => domain.barrier(),
    all: () => [...catalog().byId.values()],
    webhook: (webhookId) => catalog().byId.get(webhookId),
    newId: (metadata) => ids.derived(metadata.commandId, 'webhook'),
    change: async (command, metadata) => {
      const outcome = await domain.handle<WebhooksEvent, WebhooksRejection>(WEBHOOKS, command, metadata);
      return outcome.kind === 'rejected' ? outcome.rejection : { position: outcome.position };
    },
    seal: (secret) => box?.seal(secret),
    test: (webhook, name, { commandId, now }) => {
      const secret = webhook.sealedSecret === null ? undefined : box?.open(webhook.sealedSecret);
      const data = JSON.stringify(exampleOf(name as NotificationName));
      return sendWebhook(
        { url: webhook.url, deliveryId: ids.derived(commandId, 'test'), name, occurredAt: now, data, secret, now },
        sending,
      );
    },
    metadata: (request) => commandMetadata(request, clock, ids),
    sendPosition,
  };
  registerMlflowRoutes(http.httpAdapter.getInstance<FastifyInstance>(), webhookRoutes(api), {
    onDefect: (error, request) => logger.error({ err: error, url: request.url }, 'defect: a request about webhooks failed'),
  });
  const routes = webhookAdministration({
    ...{ api, offline },
    upToDate: () => Promise.all([domain.barrier(), table.barrier(config.queryDeadlineMs)]),
    newDeliveryId: (metadata) => ids.derived(metadata.commandId, 'redelivery'),
    queue: (delivery) => append('WebhookDeliveryQueued', [delivery]),
  });
  rawRoutes(http, { body: 'json', onError: (error, request, reply) => void sendProblem(logger, error, request, reply) }, routes);

  const settle = settlement(host);
  const sender = new WebhookSender({
    ...{ clock, scheduler: host.scheduler, upToDate: () => api.upToDate(), webhook: (webhookId: string) => api.webhook(webhookId) },
    retry: { attempts: options.webhookAttempts, firstPauseMs: options.webhookFirstPauseMs },
    secretOf: ({ sealedSecret }) => {
      if (sealedSecret === null) return { secret: undefined };
      const secret = box?.open(sealedSecret);
      return secret === undefined ? { unreadable: 'the secret was encrypted under another MILLRACE_REGISTRY_WEBHOOK_KEY' } : { secret };
    },
    send: (delivery) => sendWebhook(delivery, sending),
    append: (attempt) => append('WebhookDeliveryAttempted', [attempt]),
    settled: (partition, offset) => settle.settled(partition, offset),
    onFailure: (error) => logger.warn({ err: error }, 'a webhook delivery could not be recorded; trying again'),
  });
  await follow(host, sender, settle);
  for (const log of [domain, host.tracking])
    await react(
      host,
      log,
      () => catalog().byId.values(),
      (batch) => append('WebhookDeliveryQueued', batch),
    );
}

/** Queues deliveries for what is decided in a domain; the processes of the service share the partitions. */
async function react(
  { domain, view, consumers, online, ids, scheduler, lifecycle }: WebhooksHost,
  log: DomainLog,
  webhooks: () => Iterable<Webhooks['byId'] extends Map<string, infer W> ? W : never>,
  append: (deliveries: readonly WebhookDeliveryQueued[]) => Promise<unknown>,
): Promise<void> {
  const [topic, name] = [decisionsTopic(log.domain), `${QUEUE}.${log.domain}`];
  const checkpoints = new LazyCheckpoints(new StoredCheckpoints(online), scheduler, name, topic);
  // Behind the consumers, which have handled their last batch by then.
  lifecycle.add('replicas', `${name} checkpoints`, () => checkpoints.flush());
  const queue = new WebhookQueue({
    log,
    upToDate: () => domain.barrier(),
    webhooks,
    modelOf: (modelId) => {
      const model = view.byId(modelId);
      return model && { name: model.name, isPrompt: model.tags.get(PROMPT_TAG) === 'true' };
    },
    derivedId: (event, webhookId) => ids.derived(event, webhookId),
    append,
  });
  await consumers.add<LogRecord>({
    ...{ name, topic, shared: true, writesDeadLetters: false, mustCatchUp: false, lingerMs: LINGER_MS, decode: queue.decode },
    from: (partition) => checkpoints.next(partition),
    handle: async (batch) => {
      const result = await queue.handle(batch);
      // What is read again queues the same deliveries by the same ids, so the place need not be stored at once.
      if (result.kind === 'ok') checkpoints.passed(batch.partition, batch.nextOffset);
      return result;
    },
  });
}

/** How far the deliveries of each partition are settled, kept in the online store. */
function settlement({ online, logger }: WebhooksHost) {
  const checkpoints = new StoredCheckpoints(online);
  const stored = new Map<number, number>();
  return {
    from: (partition: number): Promise<number> => {
      stored.delete(partition);
      return checkpoints.next(SENDER, DELIVERIES, partition);
    },
    settled: (partition: number, offset: number): void => {
      if ((stored.get(partition) ?? -1) >= offset) return;
      stored.set(partition, offset);
      // Behind what is true a checkpoint only repeats reading, so its failure is no more than worth a line.
      checkpoints.save(SENDER, DELIVERIES, partition, offset).catch((error: unknown) => {
        stored.delete(partition);
        logger.warn({ err: error, partition }, 'how far webhook deliveries are settled could not be stored');
      });
    },
  };
}

/** Sends what is due in the partitions of this process. */
async function follow(
  { consumers, lifecycle }: WebhooksHost,
  sender: WebhookSender,
  settled: ReturnType<typeof settlement>,
): Promise<void> {
  lifecycle.add('consumers', `${SENDER}.timers`, () => sender.stop());
  await consumers.add<DeliveryFact>({
    ...{ name: SENDER, topic: DELIVERIES, shared: true, writesDeadLetters: false, mustCatchUp: false, decode: decodeDelivery },
    ...{ from: (partition: number) => settled.from(partition), handle: sender.handle, onRevoked: sender.revoked },
  });
}
