import type { FastifyContextConfig } from 'fastify';
import type { JsonSchema } from './body-schema.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What `/api/v1/openapi.json` says of the route beside what its registration tells. */
    doc?: RouteDoc;
  }
}

export interface QueryParameter {
  readonly description: string;
  /** `string` unless given. */
  readonly type?: 'string' | 'integer' | 'number' | 'boolean';
  readonly enum?: readonly string[];
  readonly required?: true;
}

/** Query parameters by name; a text alone describes one of type string. */
export type QueryDoc = Readonly<Record<string, string | QueryParameter>>;

/** What a body is, by its media type: as much as is known of it, the name of a schema of the document, or the schema itself. */
export type ContentDoc = Readonly<
  Record<string, 'object' | 'array' | 'text' | 'bytes' | 'Resources' | 'AppliedResource' | 'ResourceList' | JsonSchema>
>;

export interface RouteDoc {
  /** The service the route belongs to, or `common` for one that every service has. */
  readonly tag: string;
  /** A short sentence. */
  readonly summary: string;
  readonly description?: string;
  readonly query?: QueryDoc;
  /** A JSON object unless given; none for `{}`. Of POST, PUT and PATCH only. */
  readonly body?: ContentDoc;
  /** Of what was done; a JSON object unless given, none for `{}`. Described only: answers are not written by it. */
  readonly answer?: ContentDoc;
  /** The statuses that the answer comes with, and when; 200 unless given. */
  readonly statuses?: Readonly<Record<number, string>>;
  /** Other statuses that come with the same body, and when. */
  readonly otherwise?: Readonly<Record<number, string>>;
  /** Errors of its own, and when they come, beside those that follow from what the route takes and who may call it. */
  readonly errors?: Readonly<Record<number, string>>;
  /** Errors leave as MLflow's server writes them. */
  readonly hasMlflowErrors?: true;
}

/** Lists that are read in pages. */
export const PAGED = {
  limit: { type: 'integer', description: 'How many at most.' },
  pageToken: 'Where the page begins: the `nextPageToken` of the page before.',
} as const satisfies QueryDoc;

export const AT_LEAST = {
  'at-least': 'Positions that have to be read before this is answered, `topic/partition@offset`, separated by commas; also a header.',
} as const satisfies QueryDoc;

export const WAIT = {
  wait: 'How long to wait until it is over, `30s` or `2m`, at most `10m`; not at all without it.',
} as const satisfies QueryDoc;

/**
 * For the routes of one service: what a route does, in a short sentence, to be registered with it. `config` is what else Fastify is to know of
 * the route.
 */
export function routeDoc(tag: string) {
  return (
    summary: string,
    details: Omit<RouteDoc, 'tag' | 'summary'> = {},
    config: FastifyContextConfig = {},
  ): { config: FastifyContextConfig } => ({ config: { ...config, doc: { tag, summary, ...details } } });
}

/** Of the routes that every service has. */
export const commonDoc = routeDoc('common');
