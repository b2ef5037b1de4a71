import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { WebhookCreated, WebhooksEvent, WebhookUpdated } from './webhooks.events.js';

export const WEBHOOKS = 'webhooks/catalog';

/** Each event of the registry and each end of a run is held against every webhook, so there cannot be any number of them. */
export const MOST_WEBHOOKS = 1000;

export interface Webhook {
  readonly webhookId: string;
  name: string;
  url: string;
  events: readonly string[];
  description: string | null;
  active: boolean;
  sealedSecret: string | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
}

/** The webhooks there are. */
export interface Webhooks {
  readonly byId: Map<string, Webhook>;
}

export type WebhooksCommand =
  | (Command<'CreateWebhook'> & WebhookCreated)
  | (Command<'UpdateWebhook'> & WebhookUpdated)
  | (Command<'DeleteWebhook'> & { readonly webhookId: string });

export type WebhooksRejection = Rejection<'MR_REGISTRY_WEBHOOK_NOT_FOUND' | 'MR_REGISTRY_WEBHOOKS_FULL'>;

type WebhooksDecision = Decision<WebhooksEvent, WebhooksRejection>;

/** The catalog of webhooks. */
export const webhooks: Decider<Webhooks, WebhooksCommand, WebhooksEvent, WebhooksRejection> = {
  initial: () => ({ byId: new Map() }),

  evolve(state, event, { time }) {
    const { webhookId } = event.data;
    if (event.type === 'WebhookCreated') {
      state.byId.set(webhookId, { ...event.data, createdAt: time, updatedAt: time });
      return state;
    }
    const webhook = state.byId.get(webhookId);
    // Cannot be: the decider names only webhooks that exist. An unknown one must not stop the fold.
    if (!webhook) return state;
    if (event.type === 'WebhookDeleted') {
      state.byId.delete(webhookId);
      return state;
    }
    const { name, url, events, description, active, sealedSecret } = event.data;
    webhook.name = name ?? webhook.name;
    webhook.url = url ?? webhook.url;
    webhook.events = events ?? webhook.events;
    webhook.description = description ?? webhook.description;
    webhook.active = active ?? webhook.active;
    webhook.sealedSecret = sealedSecret ?? webhook.sealedSecret;
    webhook.updatedAt = time;
    return state;
  },

  decide(command, state): WebhooksDecision {
    if (command.type === 'CreateWebhook') {
      const { type: _, ...created } = command;
      if (state.byId.has(command.webhookId)) return unchanged;
      if (state.byId.size >= MOST_WEBHOOKS) {
        return reject('MR_REGISTRY_WEBHOOKS_FULL', `There are ${MOST_WEBHOOKS} webhooks, which is the most; delete one first.`);
      }
      return accept('WebhookCreated', created);
    }
    const { webhookId } = command;
    if (!state.byId.has(webhookId)) {
      return reject('MR_REGISTRY_WEBHOOK_NOT_FOUND', `Webhook with ID ${webhookId} not found.`, { webhookId });
    }
    if (command.type === 'DeleteWebhook') return accept('WebhookDeleted', { webhookId });
    const { type: _, ...updated } = command;
    const changes = Object.entries(updated).some(([field, value]) => field !== 'webhookId' && value !== null);
    return changes ? accept('WebhookUpdated', updated) : unchanged;
  },
};
