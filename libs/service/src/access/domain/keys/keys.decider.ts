import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { ApiKeyCreated, KeysEvent } from './keys.events.js';

export const KEYS = 'keys/catalog';
/** Beyond it a key has to be revoked, or expire, before another is created: every process holds all of them in memory. */
export const MOST_LIVE_KEYS = 10_000;

export interface ApiKey extends ApiKeyCreated {
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly createdBy: string;
  revoked: { readonly at: number; readonly by: string; readonly reason: string | null } | null;
}

/** Every key there ever was, by its id. */
export interface Keys {
  readonly byId: Map<string, ApiKey>;
}

export type KeysCommand =
  /** The first key of all; when there has been one, nothing happens. */
  | (Command<'CreateFirstKey'> & ApiKeyCreated)
  | (Command<'CreateKey'> & ApiKeyCreated)
  | (Command<'RevokeKey'> & { readonly keyId: string; readonly reason: string | null });

export type KeysRejection = Rejection<
  'MR_ACCESS_KEY_NAME_TAKEN' | 'MR_ACCESS_KEY_EXPIRY_INVALID' | 'MR_ACCESS_KEYS_TOO_MANY' | 'MR_ACCESS_KEY_NOT_FOUND'
>;

type KeysDecision = Decision<KeysEvent, KeysRejection>;

/** The catalog of API keys. */
export const keys: Decider<Keys, KeysCommand, KeysEvent, KeysRejection> = {
  initial: () => ({ byId: new Map() }),

  evolve(state, event, { time, actor }) {
    if (event.type === 'ApiKeyCreated') {
      state.byId.set(event.data.keyId, { ...event.data, createdAt: time, createdBy: actor, revoked: null });
      return state;
    }
    const key = state.byId.get(event.data.keyId);
    // Cannot be: the decider names only keys that exist. An unknown one must not stop the fold.
    if (key) key.revoked = { at: time, by: actor, reason: event.data.reason };
    return state;
  },

  decide(command, state, { time }): KeysDecision {
    switch (command.type) {
      case 'CreateFirstKey': {
        const { type: _, ...created } = command;
        return state.byId.size > 0 ? unchanged : accept('ApiKeyCreated', created);
      }
      case 'CreateKey':
        return create(command, state, time);
      case 'RevokeKey': {
        const key = state.byId.get(command.keyId);
        if (!key) return reject('MR_ACCESS_KEY_NOT_FOUND', `there is no key ${command.keyId}`, { keyId: command.keyId });
        return key.revoked ? unchanged : accept('ApiKeyRevoked', { keyId: command.keyId, reason: command.reason });
      }
    }
  },
};

/** A key that opens something at `time`. */
export function isLive(key: ApiKey, time: number): boolean {
  return key.revoked === null && (key.expiresAt === null || key.expiresAt > time);
}

function create(command: Extract<KeysCommand, { type: 'CreateKey' }>, state: Keys, time: number): KeysDecision {
  const { type: _, ...created } = command;
  if (created.expiresAt !== null && created.expiresAt <= time) {
    return reject('MR_ACCESS_KEY_EXPIRY_INVALID', `the key ${created.name} would have expired already; give a time in the future`);
  }
  const live = [...state.byId.values()].filter((key) => isLive(key, time));
  if (live.some((key) => key.name === created.name)) {
    const message = `a key named ${created.name} exists; revoke it first, or choose another name`;
    return reject('MR_ACCESS_KEY_NAME_TAKEN', message, { name: created.name });
  }
  if (live.length >= MOST_LIVE_KEYS) {
    return reject('MR_ACCESS_KEYS_TOO_MANY', `there are ${live.length} live keys; revoke some before another is created`);
  }
  return accept('ApiKeyCreated', created);
}
