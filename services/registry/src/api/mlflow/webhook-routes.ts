import { checkLength, cursorOf, invalid, MlflowError, pageAfter, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { CommandMetadata, Position } from '@millrace/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MLFLOW_NOTIFICATIONS, NOTIFICATIONS } from '../../domain/webhooks/notification.js';
import type { Webhook, WebhooksCommand } from '../../domain/webhooks/webhooks.decider.js';
import { maxResultsOf } from './fields.js';

const LIMITS = { url: 2048, description: 5000, secret: 1000, perPage: 1000, byDefault: 100 } as const;
const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

export type WebhookChanged = { readonly position: Position } | { readonly code: string; readonly message: string };

/** What the endpoints of webhooks are made of. */
export interface WebhooksApi {
  upToDate(): Promise<void>;
  all(): Webhook[];
  webhook(webhookId: string): Webhook | undefined;
  newId(metadata: CommandMetadata): string;
  change(command: WebhooksCommand, metadata: CommandMetadata): Promise<WebhookChanged>;
  /** `undefined`: this process has no key to encrypt it with. */
  seal(secret: string): string | undefined;
  /** Sends one delivery that is not on the log. */
  test(webhook: Webhook, name: string, metadata: CommandMetadata): Promise<{ status: number | null; text: string }>;
  metadata(request: FastifyRequest): CommandMetadata;
  sendPosition(reply: FastifyReply, position: Position): void;
}

/** Webhooks as MLflow's clients manage them. Beside MLflow's events there are ours: `{"entity": "RUN", "action": "FINISHED"}`. */
export function webhookRoutes(api: WebhooksApi): MlflowRoute[] {
  const existing = async (request: FastifyRequest): Promise<Webhook> => {
    const { webhookId } = request.params as { webhookId: string };
    await api.upToDate();
    const webhook = api.webhook(webhookId);
    if (!webhook) throw notFound(webhookId);
    return webhook;
  };
  const give = async (command: WebhooksCommand, request: FastifyRequest, reply: FastifyReply, metadata = api.metadata(request)) => {
    const changed = await api.change(command, metadata);
    if ('code' in changed) {
      throw changed.code === 'MR_REGISTRY_WEBHOOK_NOT_FOUND' ? notFound(command.webhookId) : invalid(changed.message);
    }
    api.sendPosition(reply, changed.position);
  };
  const sealed = (fields: Fields): string | null => {
    const secret = fields.string('secret');
    if (!secret) return null;
    checkLength('Webhook secret', LIMITS.secret, secret);
    const box = api.seal(secret);
    if (box === undefined) {
      throw invalid(
        'A webhook with a secret needs a key to encrypt it with: set MILLRACE_REGISTRY_WEBHOOK_KEY, the same for every process.',
      );
    }
    return box;
  };
  return [
    {
      method: 'POST',
      path: 'webhooks',
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const webhookId = api.newId(metadata);
        const [name, url, events] = [nameOf(fields.requiredString('name')), urlOf(fields.requiredString('url')), eventsOf(fields)];
        if (events.length === 0) throw invalid(`A webhook needs at least one of the events ${NOTIFICATIONS.join(', ')}.`);
        const [description, active] = [descriptionOf(fields), activeOf(fields) ?? true];
        const command = { type: 'CreateWebhook', webhookId, name, url, events, description, active, sealedSecret: sealed(fields) } as const;
        await give(command, request, reply, metadata);
        return { webhook: webhookJson(api.webhook(webhookId) as Webhook) };
      },
    },
    {
      method: 'GET',
      path: 'webhooks',
      handle: async ({ fields }) => {
        const limit = maxResultsOf(fields, LIMITS.byDefault, LIMITS.perPage);
        const cursor = cursorOf(fields.string('page_token'));
        await api.upToDate();
        // A client of MLflow cannot read a webhook of which it knows no event.
        const known = api.all().filter(({ events }) => events.some(isMlflows));
        const page = pageAfter(known, cursor, limit, ({ webhookId }) => webhookId);
        return { webhooks: page.items.map(webhookJson), ...(page.nextPageToken ? { next_page_token: page.nextPageToken } : {}) };
      },
    },
    { method: 'GET', path: 'webhooks/:webhookId', handle: async ({ request }) => ({ webhook: webhookJson(await existing(request)) }) },
    {
      method: 'PATCH',
      path: 'webhooks/:webhookId',
      handle: async ({ fields, request, reply }) => {
        const { webhookId } = await existing(request);
        const [name, url, events] = [fields.string('name'), fields.string('url'), eventsOf(fields)];
        const command = {
          type: 'UpdateWebhook' as const,
          ...{ webhookId, description: descriptionOf(fields), active: activeOf(fields) },
          ...{ name: name ? nameOf(name) : null, url: url ? urlOf(url) : null },
          ...{ events: events.length > 0 ? events : null, sealedSecret: sealed(fields) },
        };
        await give(command, request, reply);
        return { webhook: webhookJson(api.webhook(webhookId) as Webhook) };
      },
    },
    {
      method: 'DELETE',
      path: 'webhooks/:webhookId',
      handle: async ({ request, reply }) => {
        const { webhookId } = await existing(request);
        await give({ type: 'DeleteWebhook', webhookId }, request, reply);
        return undefined;
      },
    },
    {
      method: 'POST',
      path: 'webhooks/:webhookId/test',
      handle: async ({ fields, request }) => {
        const webhook = await existing(request);
        const event = fields.message('event');
        const name = event ? eventOf(event) : (webhook.events[0] as string);
        const { status, text } = await api.test(webhook, name, api.metadata(request));
        const success = status !== null && status >= 200 && status < 300;
        return {
          result: {
            success,
            ...(status === null ? {} : { response_status: status, response_body: text }),
            ...(success ? {} : { error_message: status === null ? text : `The receiver answered ${status}.` }),
          },
        };
      },
    },
  ];
}

/** What a webhook is told of, in the words it is asked for with. */
export function webhookEvents(events: readonly string[]): object[] {
  return events.map((event) => {
    const [entity, action] = event.toUpperCase().split('.');
    return { entity, action };
  });
}

/** Without its secret, which never leaves. */
function webhookJson(webhook: Webhook): object {
  return {
    webhook_id: webhook.webhookId,
    name: webhook.name,
    url: webhook.url,
    events: webhookEvents(webhook.events),
    ...(webhook.description === null ? {} : { description: webhook.description }),
    status: webhook.active ? 'ACTIVE' : 'DISABLED',
    creation_timestamp: webhook.createdAt,
    last_updated_timestamp: webhook.updatedAt,
  };
}

function isMlflows(event: string): boolean {
  return MLFLOW_NOTIFICATIONS.some((known) => known === event);
}

function nameOf(name: string): string {
  if (!NAME.test(name)) {
    throw invalid(
      `Webhook name '${name.slice(0, 100)}' is invalid: 1 to 63 letters, digits, '.', '_' and '-', beginning and ending with a letter or digit.`,
    );
  }
  return name;
}

function urlOf(text: string): string {
  checkLength('Webhook URL', LIMITS.url, text);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw invalid(`Invalid webhook URL '${text.slice(0, 200)}': it begins with http:// or https://.`);
  if (url.username !== '' || url.password !== '')
    throw invalid('Invalid webhook URL: it cannot hold a user or a password; deliveries are signed with the secret instead.');
  return text;
}

function eventsOf(fields: Fields): string[] {
  return [...new Set(fields.messages('events').map(eventOf))];
}

function eventOf(fields: Fields): string {
  const name = `${fields.requiredString('entity')}.${fields.requiredString('action')}`.toLowerCase();
  if (!NOTIFICATIONS.includes(name)) throw invalid(`Invalid webhook event '${name}'. Valid events are ${NOTIFICATIONS.join(', ')}.`);
  return name;
}

function descriptionOf(fields: Fields): string | null {
  const description = fields.string('description') ?? null;
  if (description !== null) checkLength('Webhook description', LIMITS.description, description);
  return description;
}

function activeOf(fields: Fields): boolean | null {
  const status = fields.string('status');
  if (!status) return null;
  if (status !== 'ACTIVE' && status !== 'DISABLED') throw invalid(`Invalid webhook status '${status}'. Valid values are ACTIVE, DISABLED.`);
  return status === 'ACTIVE';
}

function notFound(webhookId: string): MlflowError {
  return new MlflowError('RESOURCE_DOES_NOT_EXIST', `Webhook with ID ${webhookId} not found.`);
}
