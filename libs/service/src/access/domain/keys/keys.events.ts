import type { Event } from '@millrace/kernel';

/** What is decided about API keys. All are decisions of the one subject `keys/catalog`: a name belongs to one live key, and the first key is given once. */
export type KeysEvent = Event<'ApiKeyCreated', ApiKeyCreated> | Event<'ApiKeyRevoked', ApiKeyRevoked>;

/** Each may do what those before it may. */
export const ROLES = ['viewer', 'editor', 'approver', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface ApiKeyCreated {
  /** 16 lower-case hex characters; part of the key, and no secret. */
  readonly keyId: string;
  readonly name: string;
  /** Whom the log names for what is done with the key. */
  readonly actor: string;
  /** Where the role holds: a workspace's name, or `*`. */
  readonly workspace: string;
  readonly role: Role;
  /** SHA-256 of the whole key in lower-case hex. The key itself is nowhere. */
  readonly hash: string;
  /** Milliseconds since the epoch; `null`: until it is revoked. */
  readonly expiresAt: number | null;
}

export interface ApiKeyRevoked {
  readonly keyId: string;
  readonly reason: string | null;
}
