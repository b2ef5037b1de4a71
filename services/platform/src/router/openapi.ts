import { ASK_HEADER, OPENAPI_PATH, PROBLEM_JSON, servedBelow, type OpenApiDocument } from '@millrace/service';
import { SERVICES, type ServiceName } from './routes.js';

/** What the router answers for `/api/v1/openapi.json`. */
export interface OpenApiAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly challenge?: string;
}

export interface OpenApiQuestion {
  /** Where one replica of a service listens. */
  readonly addressOf: (service: ServiceName) => string;
  readonly authorization: string | undefined;
  /** Path below which the client sees the router; empty: at the root. */
  readonly base: string;
  readonly isAuthRequired: boolean;
  readonly timeoutMs: number;
}

/** A service that could not say what it answers: the document of the others would hide its routes. */
export class ServiceSilent extends Error {
  override readonly name = 'ServiceSilent';
  constructor(
    readonly service: ServiceName,
    cause: unknown,
  ) {
    super(`the ${service} service cannot be reached`, { cause });
  }
}

/** What all services answer behind one address, asked of one replica each; a refusal of one is passed on as it is. */
export async function openApiOfServices({
  addressOf,
  authorization,
  base,
  isAuthRequired,
  timeoutMs,
}: OpenApiQuestion): Promise<OpenApiAnswer> {
  const headers = { ...(isAuthRequired ? { [ASK_HEADER]: 'required' } : {}), ...(authorization === undefined ? {} : { authorization }) };
  const answers = await Promise.all(
    SERVICES.map(async (service): Promise<OpenApiAnswer> => {
      try {
        const answer = await fetch(`${addressOf(service)}${OPENAPI_PATH}`, { headers, signal: AbortSignal.timeout(timeoutMs) });
        const challenge = answer.headers.get('www-authenticate');
        const contentType = answer.headers.get('content-type') ?? PROBLEM_JSON;
        return { status: answer.status, contentType, body: await answer.text(), ...(challenge === null ? {} : { challenge }) };
      } catch (error) {
        throw new ServiceSilent(service, error);
      }
    }),
  );
  const refusal = answers.find(({ status }) => status !== 200);
  if (refusal) return refusal;
  const documents = answers.map(({ body }) => JSON.parse(body) as OpenApiDocument);
  return { status: 200, contentType: 'application/json; charset=utf-8', body: JSON.stringify(servedBelow(union(documents), base)) };
}

/** What they share is the same in each of them, as they are of one release. */
export function union(documents: readonly OpenApiDocument[]): OpenApiDocument {
  const [first] = documents;
  if (!first) throw new TypeError('a union is of one document or more');
  const paths: Record<string, OpenApiDocument['paths'][string]> = {};
  for (const document of documents)
    for (const [path, operations] of Object.entries(document.paths)) paths[path] = { ...operations, ...paths[path] };
  const tags = new Map(documents.flatMap((document) => document.tags.map((tag) => [tag.name, tag] as const)));
  // Each has the shared schemas and those of its own routes.
  const schemas = Object.assign({}, ...documents.map(({ components }) => components['schemas'])) as object;
  return {
    ...first,
    components: { ...first.components, schemas },
    tags: [...tags.values()].sort((one, other) => (one.name < other.name ? -1 : 1)),
    paths: Object.fromEntries(Object.entries(paths).sort(([one], [other]) => (one < other ? -1 : 1))),
  };
}
