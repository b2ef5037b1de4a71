import { Fault } from '@millrace/kernel';
import { createRemoteJWKSet, decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { ROLES, type Role } from './domain/keys/keys.events.js';
import { momentText } from '../http/moment.js';
import { allows, EVERY_WORKSPACE, higher, isReservedActor, isRole, type Identity } from './identity.js';

export interface OidcOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  /** Claim that holds the roles; dots go into objects. */
  readonly rolesClaim: string;
  /** Claim that names the actor. */
  readonly actorClaim: string;
  /** The workspace this process serves. */
  readonly workspace: string;
}

/** Signed with a key that only the issuer has: with a shared secret, whoever can check a token can make one. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** Clocks of two machines differ. */
const TOLERANCE_SECONDS = 30;
/** Tokens of unknown keys make the issuer's list be read no oftener. */
const COOLDOWN_MS = 30_000;
/** A token is looked at anew after this long at the latest, so that a key the issuer took back does not open for hours. */
const LONGEST_TRUST_MS = 5 * 60_000;

/** Why a token does not open; for the person who sent it. */
class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
}

export function isTokenRefused(error: unknown): error is TokenRefused {
  return error instanceof Error && error.name === 'TokenRefused';
}

/** Checks the tokens of one issuer. */
export class Oidc {
  readonly #options: OidcOptions;
  readonly #keys: JWTVerifyGetKey;

  /** `keys` is for tests; otherwise the issuer's published keys are fetched, kept, and fetched again when a token names an unknown one. */
  constructor(options: OidcOptions, keys?: JWTVerifyGetKey) {
    this.#options = options;
    this.#keys = keys ?? createRemoteJWKSet(new URL(options.jwksUrl), { timeoutDuration: 5000, cooldownDuration: COOLDOWN_MS });
  }

  /** Whose token it is. Throws {@link TokenRefused}, or a fault when the issuer's keys cannot be had. */
  async identify(token: string, now: number): Promise<Identity> {
    const payload = await this.#verified(token, now);
    const { rolesClaim, actorClaim, workspace } = this.#options;
    const actor = claimOf(payload, actorClaim);
    if (typeof actor !== 'string' || actor === '')
      throw new TokenRefused(`the token has no claim ${actorClaim} (MILLRACE_OIDC_ACTOR_CLAIM) that is a text, which names who you are`);
    if (isReservedActor(actor))
      throw new TokenRefused(`the claim ${actorClaim} of the token is ${actor}, whom the log names for the platform itself`);
    const roles = claimOf(payload, rolesClaim);
    const role = roleIn(roles, workspace);
    if (!role) throw new TokenRefused(noRole(roles, rolesClaim, workspace));
    const expiresAt = Math.min((payload.exp as number) * 1000 + TOLERANCE_SECONDS * 1000, now + LONGEST_TRUST_MS);
    const everywhere = roleIn(roles, EVERY_WORKSPACE);
    const holds = everywhere !== undefined && allows(everywhere, role) ? EVERY_WORKSPACE : workspace;
    return { actor, role, workspace: holds, by: 'token', keyId: null, expiresAt };
  }

  async #verified(token: string, now: number): Promise<JWTPayload> {
    const { issuer, audience, jwksUrl } = this.#options;
    try {
      const options = { issuer, audience, algorithms: ALGORITHMS, clockTolerance: TOLERANCE_SECONDS, requiredClaims: ['exp'] };
      return (await jwtVerify(token, this.#keys, { ...options, currentDate: new Date(now) })).payload;
    } catch (error) {
      if (isRefusal(error)) {
        throw new TokenRefused(`the token is not accepted: ${whyRefused(error, token, this.#options, now)}`, { cause: error });
      }
      const message = `the keys of the token’s issuer cannot be had from ${jwksUrl} (MILLRACE_OIDC_JWKS_URL): ${reasonOf(error)}; retry`;
      throw new Fault('MR_ACCESS_ISSUER_UNREACHABLE', message, true, { cause: error });
    }
  }
}

/** Has the form of a signed token; says nothing about its worth. */
export function looksLikeToken(text: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}

/** `editor` holds everywhere, `fraud:editor` in workspace fraud. Of several the highest counts; what is no role of ours is passed over. */
export function roleIn(claim: unknown, workspace: string): Role | undefined {
  const values = Array.isArray(claim) ? (claim as unknown[]) : typeof claim === 'string' ? claim.split(/[\s,]+/) : [];
  let found: Role | undefined;
  for (const value of values) {
    if (typeof value !== 'string') continue;
    const colon = value.lastIndexOf(':');
    const [where, role] = colon < 0 ? [EVERY_WORKSPACE, value] : [value.slice(0, colon), value.slice(colon + 1)];
    if (isRole(role) && (where === EVERY_WORKSPACE || where === workspace)) found = higher(found, role);
  }
  return found;
}

/** A claim by its name as it stands (`https://example.org/roles`), else by its path (`realm_access.roles`). */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** In words that name what the token says, what is asked for, and where that is set; jose's own words name neither. */
function whyRefused(error: errors.JOSEError, token: string, { issuer, audience, jwksUrl }: OidcOptions, now: number): string {
  const { claim } = error as { claim?: unknown };
  const said = claimsOf(token);
  const at = (seconds: unknown) => (typeof seconds === 'number' ? (momentText(seconds * 1000) ?? String(seconds)) : 'no time');
  const clock = `the clock here says ${momentText(now)}`;
  if (error.code === errors.JWTExpired.code) return `it expired at ${at(said['exp'])} (${clock}); ask the issuer for a new one`;
  if (claim === 'aud') return `it is for ${shown(said['aud'])} (aud), and this server is ${audience} (MILLRACE_OIDC_AUDIENCE)`;
  if (claim === 'iss')
    return `it is of ${shown(said['iss'])} (iss), and the issuer here is ${issuer} (MILLRACE_OIDC_ISSUER), to the letter`;
  if (claim === 'nbf') return `it holds from ${at(said['nbf'])} on (nbf), and ${clock}`;
  if (error.code === errors.JWKSNoMatchingKey.code) {
    return `its key is not among those the issuer publishes (${jwksUrl}, looked at every ${COOLDOWN_MS / 1000} s at most)`;
  }
  if (error.code === errors.JWSSignatureVerificationFailed.code)
    return `its signature is not of the key that the issuer publishes by that id (${jwksUrl}); ask the issuer for a new one`;
  return error.message;
}

/** People in charge of an issuer look for what it does send, and how it would have to be written. */
function noRole(claim: unknown, rolesClaim: string, workspace: string): string {
  const said = claim === undefined ? 'is not there' : `is ${shown(claim)}`;
  return `the token gives no role in workspace ${workspace}: its claim ${rolesClaim} (MILLRACE_OIDC_ROLES_CLAIM) ${said}; it has to list one of ${ROLES.join(', ')}, or ${workspace}:${ROLES[0]} and so on`;
}

/** Of a token that is refused: for its sender's eyes, and trusted by nobody. */
function claimsOf(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}

function shown(claim: unknown): string {
  return claim === undefined ? 'nobody' : JSON.stringify(claim).slice(0, 200);
}

/** The network's reason is in the cause of what `fetch` throws. */
function reasonOf(error: unknown): string {
  const { message = String(error), cause } = error as { message?: string; cause?: { message?: unknown } };
  return typeof cause?.message === 'string' ? `${message}: ${cause.message}` : message;
}

/** By code: the token's own fault, not the network's. */
function isRefusal(error: unknown): error is errors.JOSEError {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && REFUSALS.has(code);
}

const REFUSALS = new Set<string>([
  errors.JWTClaimValidationFailed.code,
  errors.JWTExpired.code,
  errors.JWTInvalid.code,
  errors.JWSInvalid.code,
  errors.JWSSignatureVerificationFailed.code,
  errors.JOSEAlgNotAllowed.code,
  errors.JOSENotSupported.code,
  errors.JWKSNoMatchingKey.code,
  errors.JWKSMultipleMatchingKeys.code,
]);
