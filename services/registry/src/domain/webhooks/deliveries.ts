/**
 * Facts on `millrace.registry.webhook-deliveries`, keyed by the delivery: it is due, and what became of each attempt. What is due and not
 * settled is what the facts of the topic say, so a process that takes over goes on where the last one was.
 */
export interface WebhookDeliveryQueued {
  /** 32 lower-case hex characters; the same for the same event and webhook, however often it is queued or sent. */
  readonly deliveryId: string;
  readonly webhookId: string;
  readonly name: string;
  /** When it happened: milliseconds since the epoch. */
  readonly occurredAt: number;
  /** The JSON text of `data` in the body that is sent. */
  readonly data: string;
}

export const DELIVERY_OUTCOMES = ['delivered', 'retrying', 'gave-up'] as const;
export type DeliveryOutcome = (typeof DELIVERY_OUTCOMES)[number];

export interface WebhookDeliveryAttempted {
  readonly deliveryId: string;
  readonly webhookId: string;
  readonly name: string;
  /** 1, 2, 3 … */
  readonly attempt: number;
  readonly outcome: DeliveryOutcome;
  /** What the receiver answered; `null` when it did not. */
  readonly status: number | null;
  /** Why it was no success; `null` when it was one. */
  readonly error: string | null;
  readonly durationMs: number;
  /** Milliseconds since the epoch; `null` when there is no next. */
  readonly nextAttemptAt: number | null;
}

/** A fact of the topic. */
export type DeliveryFact =
  | { readonly type: 'WebhookDeliveryQueued'; readonly data: WebhookDeliveryQueued }
  | { readonly type: 'WebhookDeliveryAttempted'; readonly data: WebhookDeliveryAttempted };

export interface RetryPolicy {
  readonly attempts: number;
  readonly firstPauseMs: number;
}

const LONGEST_PAUSE_MS = 3_600_000;

/** How long to wait after the n-th attempt that failed: twice as long as before, an hour at most; `undefined`: it was the last. */
export function pauseAfter(attempt: number, { attempts, firstPauseMs }: RetryPolicy): number | undefined {
  return attempt >= attempts ? undefined : Math.min(firstPauseMs * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
}

/**
 * Whether a receiver that answered so is asked again: any but one that says it is gone for good. One that is being deployed may answer
 * anything for a while. Redirects are not followed: the address is the one that was checked.
 */
export function isRetried(status: number): boolean {
  return status !== GONE;
}

const GONE = 410;
