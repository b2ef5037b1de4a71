import type { FastifyReply } from 'fastify';

/** Aborted when the connection goes away before the reply is sent. */
export function departureOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
