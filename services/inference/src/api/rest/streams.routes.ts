import { AT_LEAST, jsonOf, PAGED, pageOf, ProblemError, SHORT_PAGE, type PageQuery } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ShownStream } from '../../streaming/streams.js';
import { NO_STREAM, STREAM_ANSWER, STREAMS_ANSWER } from './answers.js';
import { doc } from './doc.js';

export interface StreamRoutesOptions {
  /** By name. */
  readonly list: () => readonly { readonly name: string }[];
  readonly show: (name: string) => Promise<ShownStream | undefined>;
  /** Waits until what the request says must be passed is folded, and all that is on the log now. */
  readonly settled: (request: FastifyRequest) => Promise<void>;
}

type Named = { Params: { name: string }; Querystring: PageQuery };

const PATH = '/api/v1/streams';

/**
 * `GET /api/v1/streams` (by name, paged by `limit` and `pageToken`) and `/{name}`: each StreamingInference with its status, and for each partition of its
 * source's topic the offset of the first event that is not done with, the topic's end, and the lag between them in events and, where this process has
 * the partition, in seconds. 404 for a stream that is not applied. Times are RFC 3339.
 */
export function streamRoutes(scope: FastifyInstance, options: StreamRoutesOptions): void {
  scope.get<Named>(
    PATH,
    doc('Lists the streams that are predicted, with their lag.', { query: { ...PAGED, ...AT_LEAST }, answer: jsonOf(STREAMS_ANSWER) }),
    async (request) => {
      const { page, next } = await pageOf(request.query, {
        items: async () => {
          await options.settled(request);
          return options.list();
        },
        tokenOf: ({ name }) => name,
        isInTokenOrder: true,
        size: SHORT_PAGE,
        invalid: (message) => new ProblemError(400, 'MR_INFERENCE_STREAM_INVALID', message),
      });
      const shown = await Promise.all(page.map(({ name }) => options.show(name)));
      return {
        streams: shown.flatMap((stream) => (stream ? [show(stream)] : [])),
        ...next,
      };
    },
  );

  scope.get<Named>(
    `${PATH}/:name`,
    doc('Shows a stream, its status and its lag by partition.', { query: AT_LEAST, answer: jsonOf(STREAM_ANSWER), errors: NO_STREAM }),
    async (request) => {
      await options.settled(request);
      const { name } = request.params;
      const stream = await options.show(name);
      if (!stream)
        throw new ProblemError(
          404,
          'MR_INFERENCE_STREAM_NOT_FOUND',
          `there is no StreamingInference ${JSON.stringify(name)}; apply it first`,
        );
      return show(stream);
    },
  );
}

function show({ resource, status, reason, topic, startedAt, partitions }: ShownStream): object {
  const { name, version, spec } = resource;
  const here = partitions.flatMap(({ lagMs }) => (lagMs === null ? [] : [lagMs]));
  return {
    ...{ name, version, status, reason, deployment: spec.deployment, source: spec.source, topic, outputTopic: spec.output.topic },
    generation: spec.generation ?? 1,
    startedAt: startedAt === null ? null : new Date(startedAt).toISOString(),
    lag: partitions.reduce((sum, { lag }) => sum + lag, 0),
    lagSeconds: here.length === 0 ? null : Math.max(...here) / 1000,
    partitions: partitions.map(({ partition, next, end, lag, lagMs, isHere, trouble }) => ({
      ...{ partition, next, end, lag, lagSeconds: lagMs === null ? null : lagMs / 1000, isHere, error: trouble },
    })),
  };
}
