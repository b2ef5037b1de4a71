import type { Clock, LoggedDecision } from '@millrace/kernel';
import { ProblemError } from '../http/problem.js';
import type { ApiKeyRevoked } from './domain/keys/keys.events.js';
import { allows, type AccessRule, type Identity } from './identity.js';

/** A timer of Node beyond it fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What opened something that stays open, and what it takes to keep it so. */
export interface Standing {
  readonly authorization: string | undefined;
  readonly rule: AccessRule;
}

interface Watched extends Standing {
  keyId: string | null;
  timer: NodeJS.Timeout | undefined;
  readonly ended: AbortController;
}

/**
 * Follows the credentials behind streams that are open: one look when a stream opens does not do for one that lasts for hours. A revoked
 * key ends its streams with the record that revokes it; a key or token is looked at anew at the time its identity says.
 */
export class StandingCredentials {
  readonly #watched = new Set<Watched>();

  constructor(
    private readonly identify: (authorization: string | undefined) => Identity | Promise<Identity>,
    private readonly clock: Clock,
  ) {}

  /**
   * Aborts once the credentials do not open what they opened, with the refusal as its reason; it is followed until `closed` aborts.
   * They are looked at now too: the key may have been revoked since the request came in.
   */
  watch(standing: Standing, closed: AbortSignal): AbortSignal {
    const watched: Watched = { ...standing, keyId: null, timer: undefined, ended: new AbortController() };
    if (!closed.aborted) {
      this.#watched.add(watched);
      closed.addEventListener('abort', () => this.#let(watched), { once: true });
      void this.#look(watched);
    }
    return watched.ended.signal;
  }

  /** Call it with every accepted record about keys, after the keys are folded. */
  heard(record: LoggedDecision): void {
    if (record.type !== 'ApiKeyRevoked') return;
    const { keyId } = record.data as ApiKeyRevoked;
    for (const watched of this.#watched) if (watched.keyId === keyId) void this.#look(watched);
  }

  async #look(watched: Watched): Promise<void> {
    clearTimeout(watched.timer);
    try {
      const found = this.identify(watched.authorization);
      const identity = found instanceof Promise ? await found : found;
      if (!this.#watched.has(watched)) return;
      if (!allows(identity.role, watched.rule)) throw fallen(identity, watched.rule);
      watched.keyId = identity.keyId;
      if (identity.expiresAt === null) return;
      const wait = Math.min(Math.max(identity.expiresAt - this.clock.now(), 1), LONGEST_TIMER_MS);
      watched.timer = setTimeout(() => void this.#look(watched), wait);
      watched.timer.unref();
    } catch (error) {
      // An issuer that cannot be asked ends the stream too: its client comes again, and is told what any request is told.
      if (!this.#watched.has(watched)) return;
      this.#let(watched);
      watched.ended.abort(error);
    }
  }

  #let(watched: Watched): void {
    clearTimeout(watched.timer);
    this.#watched.delete(watched);
  }
}

function fallen({ actor, role }: Identity, rule: AccessRule): ProblemError {
  return new ProblemError(403, 'MR_ACCESS_FORBIDDEN', `${actor} is ${role} here now; this takes the role ${rule}`);
}
