/** What a consumer says of a record. Closed: a consumer never throws, and nothing is dropped in silence. */
export type Result =
  | { readonly kind: 'ok' }
  /** Not now: the same record again after `afterMs`; the partition waits, order is kept. */
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number }
  /** Never: original bytes and reason go to `<topic>.dead-letters`, the consumer goes on. */
  | { readonly kind: 'dead-letter'; readonly reason: string }
  /** Not mine: counted by reason, the consumer goes on. */
  | { readonly kind: 'skip'; readonly reason: string };

export const OK: Result = { kind: 'ok' };

export function RETRY(reason: string, afterMs?: number): Result {
  return afterMs === undefined ? { kind: 'retry', reason } : { kind: 'retry', reason, afterMs };
}

export function DEAD_LETTER(reason: string): Result {
  return { kind: 'dead-letter', reason };
}

export function SKIP(reason: string): Result {
  return { kind: 'skip', reason };
}
