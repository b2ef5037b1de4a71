import type { Config } from '../config/config.js';
import type { AccessRule } from './identity.js';
import type { OidcOptions } from './oidc.js';

/** What the configuration says about who may come in. */
export interface AccessSettings {
  readonly isRequired: boolean;
  /** Nobody is asked, because only this machine can reach the process, and not because somebody said so. */
  readonly isOpenHereOnly: boolean;
  /** Opens everything while it is configured; in no record. */
  readonly adminKey: string | undefined;
  readonly workspace: string;
  readonly oidc: Omit<OidcOptions, 'workspace'> | undefined;
  readonly metrics: AccessRule;
}

const LOOPBACK = /^(127\.|localhost$|::1$)/;

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

export function accessSettings(config: Config): AccessSettings {
  const { auth, host, adminKey, workspace, oidcIssuer, oidcAudience, oidcJwksUrl, oidcRolesClaim, oidcActorClaim } = config;
  const oidc =
    oidcIssuer !== undefined && oidcAudience !== undefined && oidcJwksUrl !== undefined
      ? { issuer: oidcIssuer, audience: oidcAudience, jwksUrl: oidcJwksUrl, rolesClaim: oidcRolesClaim, actorClaim: oidcActorClaim }
      : undefined;
  return {
    isOpenHereOnly: auth === 'auto' && isLoopback(host),
    isRequired: auth === 'required' || (auth === 'auto' && !isLoopback(host)),
    adminKey,
    workspace,
    oidc,
    metrics: config.metricsAuth ? 'viewer' : 'open',
  };
}
