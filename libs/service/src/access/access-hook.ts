import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '../http/problem.js';
import type { Access } from './access.js';
import { accessRuleOf, isSafeMethod } from './access-rules.js';
import { foreignPage, isLocalName } from './foreign-pages.js';
import { allows, type AccessRule, type Identity } from './identity.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; `undefined` while nobody has to say so. */
    identity: Identity | undefined;
  }
  interface FastifyInstance {
    readonly access: Access;
  }
}

/**
 * A router that can be reached from beyond this machine sends it to services that only it can reach: they are on loopback and would ask
 * nobody. It can only make a service stricter, so it does not matter who sends it.
 */
export const ASK_HEADER = 'millrace-auth';

/** Asked with a refusal, so that browsers and clients that wait for it send what they have. */
const CHALLENGE = 'Basic realm="Millrace", charset="UTF-8", Bearer';

/**
 * Asks every request who it comes from, before its body is read. The refusal is thrown, so it leaves in the form of the route's own
 * protocol. A route may say its rule (`config: { access: 'approver' }`); otherwise the table of `access-rules.ts` does.
 */
export function addAccessHook(server: FastifyInstance, access: Access): void {
  const { metrics } = access.settings;
  server.decorate('access', access);
  server.decorateRequest('identity', undefined);
  server.addHook('onRoute', (route) => {
    const method = Array.isArray(route.method) ? (route.method.find((one) => !isSafeMethod(one)) ?? 'GET') : route.method;
    route.config = { ...route.config, access: route.config?.access ?? accessRuleOf(method, route.url, { metrics }) };
  });
  server.addHook('onRequest', (request, reply, done) => {
    const foreign = isSafeMethod(request.method) ? undefined : foreignPage(request.headers);
    if (foreign !== undefined && !request.routeOptions.config.origins?.has(request.headers.origin ?? '')) {
      done(new ProblemError(403, 'MR_ACCESS_CROSS_SITE', foreign));
      return;
    }
    const rule: AccessRule = request.routeOptions.config.access ?? 'viewer';
    if (rule === 'open') {
      done();
      return;
    }
    if (!access.asks(request.headers[ASK_HEADER])) {
      done(access.settings.isOpenHereOnly && !isLocalName(request.headers.host) ? foreignName(request.headers.host) : undefined);
      return;
    }
    try {
      const identity = access.identify(request.headers.authorization);
      if (identity instanceof Promise) {
        identity.then(
          (found) => admit(request, found, rule, done),
          (error: Error) => refuse(reply, error, done),
        );
      } else admit(request, identity, rule, done);
    } catch (error) {
      refuse(reply, error as Error, done);
    }
  });
}

type Done = (error?: Error) => void;

function admit(request: FastifyRequest, identity: Identity, rule: AccessRule, done: Done): void {
  request.identity = identity;
  done(allows(identity.role, rule) ? undefined : forbidden(identity, rule));
}

function refuse(reply: FastifyReply, error: Error & { status?: number }, done: Done): void {
  if (error.status === 401) void reply.header('www-authenticate', CHALLENGE);
  done(error);
}

function foreignName(host: string | undefined): ProblemError {
  const message =
    `${host} is no name of this machine. A process that asks nobody who they are, because only this machine reaches it, answers to localhost and ` +
    'addresses: a page could lead a browser here by a name of its own. MILLRACE_AUTH=required asks for keys, off answers to every name.';
  return new ProblemError(403, 'MR_ACCESS_FOREIGN_NAME', message);
}

/**
 * For a handler whose rule depends on what is asked: fails with a problem of status 403 unless the caller may do what `rule` asks for.
 * While nobody has to say who they are, everybody may.
 */
export function requireRole(request: FastifyRequest, rule: AccessRule): void {
  if (request.identity && !allows(request.identity.role, rule)) throw forbidden(request.identity, rule);
}

/**
 * For an answer that stays open: aborts once the credentials of the request open its route no more (the key is revoked or has expired, the
 * token has expired or lost its role), with the refusal as its reason. Followed until `closed` aborts.
 */
export function credentialsEnd(request: FastifyRequest, closed: AbortSignal): AbortSignal {
  const rule = request.routeOptions.config.access ?? 'viewer';
  // Whoever was not asked when the stream opened is not asked later.
  if (!request.identity) return never();
  return request.server.access.standing.watch({ authorization: request.headers.authorization, rule }, closed);
}

/** A new one each time: signals that are composed of one stay in its books. */
function never(): AbortSignal {
  return new AbortController().signal;
}

/** A call of a protocol without our HTTP routes. */
export interface AdmittedCall {
  readonly method: 'GET' | 'POST';
  /** That of the route the call stands for, so one table says who may. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly askHeader: string | undefined;
}

/** The same for a call that `admitCall` let in and that stays open. */
export function callCredentialsEnd(access: Access, call: AdmittedCall, closed: AbortSignal): AbortSignal {
  if (!access.asks(call.askHeader)) return never();
  const rule = accessRuleOf(call.method, call.path, { metrics: access.settings.metrics });
  return rule === 'open' ? never() : access.standing.watch({ authorization: call.authorization, rule }, closed);
}

/**
 * What `requireRole` is for a route, for a call of a protocol without our HTTP routes: who asks, `undefined` while nobody has to say so.
 * Fails with a problem of status 401 or 403.
 */
export async function admitCall(access: Access, call: AdmittedCall): Promise<Identity | undefined> {
  if (!access.asks(call.askHeader)) return undefined;
  const rule = accessRuleOf(call.method, call.path, { metrics: access.settings.metrics });
  if (rule === 'open') return undefined;
  const identity = await access.identify(call.authorization);
  if (!allows(identity.role, rule)) throw forbidden(identity, rule);
  return identity;
}

function forbidden({ actor, role }: Identity, rule: AccessRule): ProblemError {
  const message = `${actor} is ${role} here; this takes the role ${rule}. An admin gives out roles (millrace keys create, or the issuer’s claim).`;
  return new ProblemError(403, 'MR_ACCESS_FORBIDDEN', message, { actor, role, needs: rule });
}
