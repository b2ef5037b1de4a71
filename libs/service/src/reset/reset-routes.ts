import type { FastifyInstance } from 'fastify';
import type { Host } from '../host/host.js';
import { ProblemError } from '../http/problem.js';
import { jsonOf } from '../http/answer-schema.js';
import { RESET_ANSWER } from '../http/common-answers.js';
import { commonDoc } from '../http/route-doc.js';

/** `POST /api/v1/testing/reset`: the answer comes when everything is empty. Registered with `MILLRACE_TESTING=1` only; otherwise there is no such path. */
export function resetRoutes(server: FastifyInstance, { config, log, reset, logger }: Host): void {
  if (!config.testing) return;
  logger.warn('MILLRACE_TESTING=1: POST /api/v1/testing/reset empties this platform for whoever asks');
  const emptying = commonDoc('Empties everything, for tests.', {
    body: {},
    answer: jsonOf(RESET_ANSWER),
    errors: { 409: 'The log is one that others stand on.' },
  });
  server.post('/api/v1/testing/reset', emptying, async () => {
    if (!log.clear) {
      throw new ProblemError(
        409,
        'MR_RESET_SHARED_LOG',
        'only the embedded log can be emptied: other processes stand on a Kafka log too; start them on a new broker instead',
      );
    }
    const started = performance.now();
    await reset.run();
    return { milliseconds: Math.round(performance.now() - started) };
  });
}
