import type { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import type { HotRoute, HttpRequest } from './hot-routes.js';

export interface RawRoutesOptions {
  /**
   * How bodies arrive, whatever their Content-Type says (or if there is none): `json` parsed, `buffer` as bytes, `stream` unread and
   * without a size limit.
   */
  readonly body: 'json' | 'buffer' | 'stream';
  /** Bodies beyond it are refused with 413; the process's limit unless given. */
  readonly maxBodyBytes?: number;
  /** The protocol's own error format; without it errors leave as problem+json. */
  readonly onError?: (error: unknown, request: FastifyRequest, reply: FastifyReply) => void | Promise<void>;
}

/** Adds a POST route that is answered below Fastify where nothing is unusual about the request, by Fastify otherwise: see `HotRoutes`. */
export type AddHotRoute = <Params>(route: HotRoute<Params>) => void;

/**
 * Registers routes on Fastify itself, free of Nest's interceptors and pipes, in a scope of their own: body parsing and error format of one
 * protocol do not reach another's routes. Call it in `onModuleInit`.
 */
export function rawRoutes(
  host: HttpAdapterHost,
  options: RawRoutesOptions,
  routes: (scope: FastifyInstance, addHotRoute: AddHotRoute) => void,
): void {
  const server = host.httpAdapter.getInstance<FastifyInstance>();
  void server.register((scope, _plugin, done) => {
    scope.removeAllContentTypeParsers();
    addParser(scope, options);
    if (options.onError) {
      const { onError } = options;
      scope.setErrorHandler((error, request, reply) => onError(error, request, reply));
    }
    routes(scope, (route) => addHotRoute(scope, options, route));
    done();
  });
}

function addHotRoute<Params>(scope: FastifyInstance, { body, maxBodyBytes }: RawRoutesOptions, route: HotRoute<Params>): void {
  if (body !== 'buffer' || maxBodyBytes !== undefined)
    throw new Error(`hot route ${route.path} has to take its body as bytes, as many as any`);
  scope.post(route.path, (request, reply) => route.handler(request as HttpRequest<Params>, reply));
  scope.hotRoutes.add(route);
}

/** Everything, and by name what is sent most: Fastify remembers the parser of a type it knows, and takes any other apart each time. */
const ANY = ['application/json', 'application/octet-stream', '*'];

function addParser(scope: FastifyInstance, { body, maxBodyBytes }: RawRoutesOptions): void {
  const limit = maxBodyBytes === undefined ? {} : { bodyLimit: maxBodyBytes };
  switch (body) {
    case 'json':
      scope.addContentTypeParser('*', { parseAs: 'buffer', ...limit }, parseJsonBody);
      break;
    case 'buffer':
      scope.addContentTypeParser(ANY, { parseAs: 'buffer', ...limit }, (_request: FastifyRequest, bytes: Buffer, done: ParserDone) =>
        done(null, bytes),
      );
      break;
    case 'stream':
      scope.addContentTypeParser(
        '*',
        { bodyLimit: Number.MAX_SAFE_INTEGER },
        (_request: FastifyRequest, payload: Readable, done: ParserDone) => done(null, payload),
      );
      break;
  }
}

type ParserDone = (error: Error | null, body?: unknown) => void;

function parseJsonBody(_request: FastifyRequest, bytes: Buffer, done: ParserDone): void {
  if (bytes.length === 0) {
    done(null, undefined);
    return;
  }
  try {
    done(null, JSON.parse(bytes.toString('utf8')) as unknown);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    done(Object.assign(new Error(`the body is not JSON: ${reason}`), { statusCode: 400, code: 'MR_HTTP_BAD_REQUEST' }));
  }
}
