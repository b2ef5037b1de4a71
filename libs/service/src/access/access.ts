import { isFault, type Clock, type CommandOutcome, type Ids, type LoggedDecision } from '@millrace/kernel';
import { ProblemError } from '../http/problem.js';
import type { DomainLog } from '../log/domain-log.js';
import type { DomainLogs } from '../log/domain-logs.js';
import type { AccessSettings } from './access-settings.js';
import { hashOf, isSameHash, keyIdOf, newApiKey } from './api-key.js';
import { secretOf } from './credentials.js';
import { isLive, keys, KEYS, type ApiKey, type Keys, type KeysRejection } from './domain/keys/keys.decider.js';
import type { ApiKeyRevoked, KeysEvent } from './domain/keys/keys.events.js';
import { EVERY_WORKSPACE, type Identity } from './identity.js';
import { isTokenRefused, looksLikeToken, Oidc } from './oidc.js';
import { StandingCredentials } from './standing.js';

/** Credentials that were found good, kept so that a request costs one look-up. At the bound the one kept longest goes. */
const MOST_KEPT = 4096;

const HOW =
  'send an API key: "Authorization: Bearer <key>", or basic authentication with the key as the password (MLFLOW_TRACKING_TOKEN or ' +
  'MLFLOW_TRACKING_PASSWORD, MILLRACE_API_KEY)';

/**
 * Who may come in. Every process folds the keys, as it does resources, and checks what requests show by itself; nobody is asked over
 * the network, except an OIDC issuer for its published keys.
 */
export class Access {
  readonly #kept = new Map<string, Identity>();
  readonly #oidc: Oidc | undefined;
  readonly #adminHash: string | undefined;
  /** Of what stays open after it was let in. */
  readonly standing: StandingCredentials;

  constructor(
    readonly log: DomainLog,
    readonly settings: AccessSettings,
    private readonly clock: Clock,
  ) {
    this.#oidc = settings.oidc && new Oidc({ ...settings.oidc, workspace: settings.workspace });
    this.#adminHash = settings.adminKey === undefined ? undefined : hashOf(settings.adminKey);
    this.standing = new StandingCredentials((authorization) => this.identify(authorization), clock);
    log.onAccepted((record) => {
      this.#forget(record);
      this.standing.heard(record);
    });
  }

  /** There are few keys and a revocation has to be heard, so the fold is made in memory at each start. */
  static async open(domainLogs: DomainLogs, settings: AccessSettings, clock: Clock): Promise<Access> {
    const log = await domainLogs.open({ domain: 'access', aggregates: { keys }, state: 'memory' });
    return new Access(log, settings, clock);
  }

  /** Whether requests have to say who they are. */
  get isRequired(): boolean {
    return this.settings.isRequired;
  }

  /** Whether a request has to say who it is, which a router before this process may want of it (`millrace-auth`). */
  asks(askHeader: unknown): boolean {
    return this.settings.isRequired || askHeader === 'required';
  }

  /** Every key there ever was, in the order they were created. */
  list(): readonly ApiKey[] {
    return [...this.#state.byId.values()];
  }

  /**
   * Whose request it is, by its `Authorization` header. At once for credentials seen before. The kept ones are found by a hash of the whole
   * text under a seed of this process, so the time of a look-up says nothing about how much of a guess was right.
   * Fails with a problem of status 401.
   */
  identify(authorization: string | undefined): Identity | Promise<Identity> {
    if (authorization === undefined) throw unauthenticated(`this server asks who you are; ${HOW}`);
    const kept = this.known(authorization);
    if (kept) return kept;
    this.#kept.delete(authorization);
    return this.#identify(authorization);
  }

  /** Whose request it is, where its credentials were found good before and still are. */
  known(authorization: string | undefined): Identity | undefined {
    const kept = authorization === undefined ? undefined : this.#kept.get(authorization);
    return kept && (kept.expiresAt === null || kept.expiresAt > this.clock.now()) ? kept : undefined;
  }

  /** The same by the bare key or token, for protocols that carry it elsewhere. */
  identifySecret(secret: string): Identity | Promise<Identity> {
    return this.identify(secret === '' ? undefined : `Bearer ${secret}`);
  }

  /** Makes a key for a new id; the record and the one text that opens. */
  draft(commandId: string, ids: Ids): { keyId: string; key: string; hash: string } {
    const keyId = ids.derived(commandId, 'api-key').slice(0, 16);
    const key = newApiKey(keyId);
    return { keyId, key, hash: hashOf(key) };
  }

  /**
   * The first key of the log, an admin's. `undefined` when there has been one: several processes of one log may ask at once, and the
   * log says whose is first.
   */
  async createFirstKey(ids: Ids): Promise<string | undefined> {
    const commandId = ids.next();
    const { key, ...drafted } = this.draft(commandId, ids);
    const command = { ...drafted, name: 'first', actor: 'admin', workspace: EVERY_WORKSPACE, role: 'admin', expiresAt: null } as const;
    const metadata = { commandId, actor: 'millrace', now: this.clock.now() };
    const outcome: CommandOutcome<KeysEvent, KeysRejection> = await this.log.handle(KEYS, { type: 'CreateFirstKey', ...command }, metadata);
    return outcome.kind === 'accepted' ? key : undefined;
  }

  get #state(): Keys {
    return this.log.replica.subject(KEYS).state as Keys;
  }

  async #identify(authorization: string): Promise<Identity> {
    const secret = secretOf(authorization);
    if (secret === undefined) throw unauthenticated(`Authorization holds no key; ${HOW}`);
    const identity = await this.#identityOf(secret);
    // Revoked while it was looked at: what is kept now, nothing would forget.
    if (identity.keyId !== null && this.#state.byId.get(identity.keyId)?.revoked) return this.#identify(authorization);
    if (this.#kept.size >= MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value as string);
    this.#kept.set(authorization, identity);
    return identity;
  }

  async #identityOf(secret: string): Promise<Identity> {
    if (this.#adminHash !== undefined && isSameHash(this.#adminHash, hashOf(secret))) {
      return { actor: 'admin', role: 'admin', workspace: EVERY_WORKSPACE, by: 'admin-key', keyId: null, expiresAt: null };
    }
    const keyId = keyIdOf(secret);
    if (keyId !== undefined) return this.#identityOfKey(keyId, hashOf(secret));
    if (this.#oidc && looksLikeToken(secret)) {
      try {
        return await this.#oidc.identify(secret, this.clock.now());
      } catch (error) {
        if (isTokenRefused(error)) throw unauthenticated(error.message);
        throw error;
      }
    }
    throw unauthenticated(
      `what was sent is neither an API key nor ${this.#oidc ? 'a token of the configured issuer' : 'the admin key'}; ${HOW}`,
    );
  }

  /** A key that is not known may only be unknown here: before refusing it, this process reads to the log's end. */
  async #identityOfKey(keyId: string, hash: string): Promise<Identity> {
    let key = this.#state.byId.get(keyId);
    if (!key) {
      try {
        await this.log.barrier();
      } catch (error) {
        if (!isFault(error)) throw error;
        throw new ProblemError(503, 'MR_ACCESS_NOT_READY', 'this process does not know all keys yet; retry');
      }
      key = this.#state.byId.get(keyId);
    }
    if (!key || !isSameHash(key.hash, hash)) throw unauthenticated(`the API key is not known here; ${HOW}`);
    if (!isLive(key, this.clock.now())) throw unauthenticated(`the API key ${key.name} ${key.revoked ? 'was revoked' : 'has expired'}`);
    const { workspace } = this.settings;
    if (key.workspace !== EVERY_WORKSPACE && key.workspace !== workspace) {
      throw unauthenticated(`the API key ${key.name} is of workspace ${key.workspace}; this is ${workspace}`);
    }
    return { actor: key.actor, role: key.role, workspace: key.workspace, by: 'key', keyId, expiresAt: key.expiresAt };
  }

  #forget(record: LoggedDecision): void {
    if (record.type !== 'ApiKeyRevoked') return;
    const { keyId } = record.data as ApiKeyRevoked;
    for (const [text, identity] of this.#kept) if (identity.keyId === keyId) this.#kept.delete(text);
  }
}

function unauthenticated(message: string): ProblemError {
  return new ProblemError(401, 'MR_ACCESS_UNAUTHENTICATED', message);
}
