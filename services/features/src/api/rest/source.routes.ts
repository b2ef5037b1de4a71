import { jsonOf, PAGED, pageOf, ProblemError, type PageQuery } from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import type { SourceStatus } from '../../queries/source-status.query.js';
import { NO_SOURCE, SOURCE_ANSWER, SOURCES_ANSWER } from './answers.js';
import { doc } from './doc.js';

export interface SourceRoutesOptions {
  /** In the order of their texts. */
  readonly names: () => readonly string[];
  /** `undefined` for a source that is not applied. */
  readonly status: (name: string) => Promise<SourceStatus | undefined>;
  /** Resources that are applied and cannot be used. */
  readonly problems: () => ReadonlyMap<string, string>;
}

/** `GET /api/v1/sources[/{name}]`: how far each source's views are, and which records on its topic are no events of it. */
export function sourceRoutes(scope: FastifyInstance, options: SourceRoutesOptions): void {
  const listing = doc('Lists the sources, and how far their views are.', { query: PAGED, answer: jsonOf(SOURCES_ANSWER) });
  scope.get<{ Querystring: PageQuery }>('/api/v1/sources', listing, async (request) => {
    const { page, next } = await pageOf(request.query, {
      items: options.names,
      tokenOf: (name) => name,
      isInTokenOrder: true,
      invalid: (message) => new ProblemError(400, 'MR_FEATURES_SOURCE_INVALID', message),
    });
    const sources = await Promise.all(page.map((name) => options.status(name)));
    return { sources: sources.filter((source) => source !== undefined), problems: Object.fromEntries(options.problems()), ...next };
  });
  const showing = doc('Shows how far a source’s views are, and which records are no events of it.', {
    answer: jsonOf(SOURCE_ANSWER),
    errors: NO_SOURCE,
  });
  scope.get<{ Params: { name: string } }>('/api/v1/sources/:name', showing, async (request) => {
    const { name } = request.params;
    const status = await options.status(name);
    if (!status) throw new ProblemError(404, 'MR_FEATURES_SOURCE_NOT_FOUND', `there is no source ${JSON.stringify(name)}; apply it first`);
    return status;
  });
}
