import { actorKey } from '@millrace/kernel';
import { ROLES, type Role } from './domain/keys/keys.events.js';

/** Who asks, as their credentials say. */
export interface Identity {
  /** Whom the log names as the actor of what they do. */
  readonly actor: string;
  readonly role: Role;
  /** Where the role holds: the workspace of the process, or `*` for all. */
  readonly workspace: string;
  readonly by: 'key' | 'token' | 'admin-key';
  /** Of an API key; what a revocation names. */
  readonly keyId: string | null;
  /** Milliseconds since the epoch, after which the credentials have to be looked at anew. */
  readonly expiresAt: number | null;
}

/** A role, `anyone` with credentials, or `open`: nobody is asked. */
export type AccessRule = Role | 'anyone' | 'open';

export const EVERY_WORKSPACE = '*';

/** Whom the log names for what the platform does by itself, and for what nobody put a name to: nobody's credentials may say so. */
const RESERVED_ACTORS: ReadonlySet<string> = new Set(['millrace', 'anonymous']);

export function isReservedActor(actor: string): boolean {
  return RESERVED_ACTORS.has(actorKey(actor));
}

const RANK = new Map<AccessRule, number>([['open', -2], ['anyone', -1], ...ROLES.map((role, rank): [Role, number] => [role, rank])]);

/** Whether `role` may do what `rule` asks for. */
export function allows(role: Role, rule: AccessRule): boolean {
  return (RANK.get(role) as number) >= (RANK.get(rule) as number);
}

export function isRole(text: unknown): text is Role {
  return ROLES.some((role) => role === text);
}

/** The higher of two roles. */
export function higher(one: Role | undefined, other: Role): Role {
  return one !== undefined && allows(one, other) ? one : other;
}
