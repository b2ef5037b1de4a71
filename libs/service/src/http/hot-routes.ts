import type { Ids } from '@millrace/kernel';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { ASK_HEADER } from '../access/access-hook.js';
import { accessRuleOf } from '../access/access-rules.js';
import type { Access } from '../access/access.js';
import { isLocalName } from '../access/foreign-pages.js';
import { allows, type AccessRule, type Identity } from '../access/identity.js';
import type { Health } from '../host/health.js';
import { HotReply } from './hot-reply.js';
import type { RawReply } from './raw-reply.js';
import type { RequestWatch } from './request-watch.js';

/** What a handler may use of a request that comes to it through Fastify or through a hot route. */
export interface HttpRequest<Params = unknown> {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly params: Params;
  readonly query: unknown;
  readonly body: unknown;
  readonly traceparent: string | undefined;
  readonly identity: Identity | undefined;
}

/** What a handler may use of its reply. */
export interface HttpReply {
  readonly raw: RawReply;
  code(status: number): this;
  header(name: string, value: string): this;
  /** Text and bytes as they are, anything else as JSON. */
  send(payload: unknown): this;
}

export interface HotRoute<Params> {
  /** The route's pattern as Fastify has it, which says what it matches; metrics and traces call it by it, and its access rule holds. */
  readonly path: string;
  readonly handler: (request: HttpRequest<Params>, reply: HttpReply) => Promise<unknown>;
  readonly onError: (error: unknown, request: HttpRequest, reply: HttpReply) => void;
}

export interface HotRoutesOptions {
  readonly watch: RequestWatch;
  readonly access: Access;
  readonly health: Health;
  readonly ids: Ids;
  readonly maxBodyBytes: number;
}

/** Headers that ask for something only Fastify's way through does. */
const UNUSUAL = ['transfer-encoding', 'expect', 'upgrade', 'sec-fetch-site', 'origin'] as const;

interface Matched {
  readonly route: HotRoute<unknown>;
  readonly params: unknown;
  readonly rule: AccessRule;
}

/** A route for a request, and who asks. */
export interface FoundRoute {
  readonly route: HotRoute<unknown>;
  readonly params: unknown;
  readonly identity: Identity | undefined;
}

/** A request that waits for its body. */
export interface HotCall {
  /** Once all of the body has come, in as many pieces. */
  answer(pieces: readonly Buffer[]): void;
}

const MAX_MATCHED = 1000;

const NO_QUERY = {};
const NOBODY = Symbol('nobody has to say who they are');

/**
 * Answers the POST routes that are called most before Fastify sees them: no router, no hooks, no reply of a framework. A route is registered with Fastify too, with the
 * same handler, and every request that is unusual in any way goes there before anything was done with it: other spellings of the URL, chunked bodies, bodies too
 * large, credentials that are not known to be good, a full or stopping process. So a hot route never refuses anybody; it only answers sooner.
 */
export class HotRoutes {
  readonly #options: HotRoutesOptions;
  #localName: string | undefined;
  /** By URL: the same few are asked for again and again. */
  readonly #matched = new Map<string, Matched>();
  readonly #routes: { readonly route: HotRoute<unknown>; readonly pattern: RegExp; readonly rule: AccessRule }[] = [];

  constructor(options: HotRoutesOptions) {
    this.#options = options;
  }

  add<Params>(route: HotRoute<Params>): void {
    const { metrics } = this.#options.access.settings;
    const rule = accessRuleOf('POST', route.path, { metrics });
    this.#matched.clear();
    this.#routes.push({ route: route as HotRoute<unknown>, pattern: patternOf(route.path), rule });
  }

  /** Whether the request is answered here. */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'POST') return false;
    const { url, headers } = request as { url: string; headers: IncomingHttpHeaders };
    const found = this.find(url, headers);
    if (!found) return false;
    const call = this.begin(found, url, headers, response);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => call.answer(chunks));
    return true;
  }

  /** The route that answers a POST request with this head; `undefined`: it is not for here, and nothing was done. */
  find(url: string, headers: IncomingHttpHeaders): FoundRoute | undefined {
    const matched = this.#match(url);
    if (!matched) return undefined;
    const identity = this.#admitted(headers, matched.rule);
    if (identity === undefined) return undefined;
    const { route, params } = matched;
    return { route, params, identity: identity === NOBODY ? undefined : identity };
  }

  /** From here on the request is in flight, until `raw` is closed. */
  begin(found: FoundRoute, url: string, headers: IncomingHttpHeaders, raw: RawReply): HotCall {
    const { watch, ids } = this.#options;
    const { route, params, identity } = found;
    const watched = watch.began('POST', url, headers['traceparent']);
    const { traceparent } = watched;
    const id = ids.next();
    // Heard once anyway, and `once` costs a wrapper and its removal.
    raw.on('close', () => {
      if (raw.writableFinished) watch.answered(watched, route.path, raw.statusCode);
      else watch.left(watched);
    });
    const reply = new HotReply(raw, id);
    return {
      answer: (pieces) => {
        const body = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
        const asked = { id, method: 'POST', url, headers, params, query: NO_QUERY, body, traceparent, identity };
        watch.in(watched, () => void handle(route, asked, reply));
      },
    };
  }

  #match(url: string): Matched | undefined {
    const known = this.#matched.get(url);
    if (known) return known;
    for (const { route, pattern, rule } of this.#routes) {
      const match = pattern.exec(url);
      if (!match) continue;
      const matched = { route, params: Object.freeze({ ...match.groups }), rule };
      if (this.#matched.size >= MAX_MATCHED) this.#matched.clear();
      this.#matched.set(url, matched);
      return matched;
    }
    return undefined;
  }

  /** Who asks, `NOBODY` where nobody has to say so; `undefined`: this is not for here. */
  #admitted(headers: IncomingHttpHeaders, rule: AccessRule): Identity | typeof NOBODY | undefined {
    const { watch, health, access, maxBodyBytes } = this.#options;
    const length = Number(headers['content-length']);
    if (!(length > 0 && length <= maxBodyBytes) || watch.isFull || health.isStopping) return undefined;
    for (const name of UNUSUAL) if (headers[name] !== undefined) return undefined;
    if (!access.asks(headers[ASK_HEADER])) return access.settings.isOpenHereOnly && !this.#isLocal(headers.host) ? undefined : NOBODY;
    const identity = access.known(headers.authorization);
    return identity && allows(identity.role, rule) ? identity : undefined;
  }

  /** Clients go on asking by the name they have asked by. */
  #isLocal(host: string | undefined): boolean {
    if (host === this.#localName) return true;
    if (!isLocalName(host)) return false;
    this.#localName = host;
    return true;
  }
}

/** Parameters in letters that mean the same in a URL and out of it; all other spellings are Fastify's. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/:(\w+)/g, '(?<$1>[\\w.-]+)')}$`);
}

async function handle(route: HotRoute<unknown>, asked: HttpRequest, reply: HotReply): Promise<void> {
  try {
    await route.handler(asked, reply);
  } catch (error) {
    try {
      route.onError(error, asked, reply);
    } catch {
      // Not even the error could be told.
      reply.raw.destroy();
    }
  }
}
