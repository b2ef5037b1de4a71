import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { publicPath } from './path-prefix.js';
import { PROBLEM_JSON, problemOf } from './problem.js';

/** Every error of our own REST leaves as a problem. Protocols with an error format of their own answer in their own routes. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw error;
    const context = host.switchToHttp();
    void sendProblem(this.logger, error, context.getRequest<FastifyRequest>(), context.getResponse<FastifyReply>());
  }
}

/** Answers with the problem `error` stands for; a defect is logged here, once. */
export function sendProblem(logger: Logger, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { problem, retryAfter, isDefect } = problemOf(error);
  if (isDefect)
    logger.error({ err: error, requestId: request.id, method: request.method, url: request.url }, 'defect: a request failed unexpectedly');
  if (reply.sent) return reply;
  if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
  return reply
    .code(problem.status)
    .header('content-type', PROBLEM_JSON)
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send({ ...problem, instance: publicPath(request, request.url.split('?')[0] ?? ''), requestId: request.id });
}
