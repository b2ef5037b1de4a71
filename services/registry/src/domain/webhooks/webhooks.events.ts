import type { Event } from '@millrace/kernel';

/** Who is told of what: decisions of the one subject `webhooks/catalog`. What was sent are facts of their own. */
export type WebhooksEvent =
  Event<'WebhookCreated', WebhookCreated> | Event<'WebhookUpdated', WebhookUpdated> | Event<'WebhookDeleted', WebhookDeleted>;

export interface WebhookCreated {
  /** 32 lower-case hex characters. */
  readonly webhookId: string;
  readonly name: string;
  readonly url: string;
  /** What it is told of: `model_version.created`. */
  readonly events: readonly string[];
  readonly description: string | null;
  readonly active: boolean;
  /** The key deliveries are signed with, encrypted; `null`: they are not signed. */
  readonly sealedSecret: string | null;
}

/** `null`: as it was. */
export interface WebhookUpdated {
  readonly webhookId: string;
  readonly name: string | null;
  readonly url: string | null;
  readonly events: readonly string[] | null;
  readonly description: string | null;
  readonly active: boolean | null;
  readonly sealedSecret: string | null;
}

export interface WebhookDeleted {
  readonly webhookId: string;
}
