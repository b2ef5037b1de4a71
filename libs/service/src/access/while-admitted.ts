import type { FastifyReply, FastifyRequest } from 'fastify';
import { PassThrough, type Readable } from 'node:stream';
import { credentialsEnd } from './access-hook.js';

/**
 * Does what a long body is for, as long as the credentials it came with open its route: a file of many gigabytes is sent for hours. Once they do
 * not, what reads the body fails, so that it keeps nothing, and this fails with the refusal.
 */
export async function whileAdmitted<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  body: Readable,
  work: (body: Readable) => Promise<T>,
): Promise<T> {
  // Nobody is asked who they are here: nothing can end, and the body needs no second hand.
  if (!request.identity) return work(body);
  const closed = new AbortController();
  const refused = credentialsEnd(request, closed.signal);
  const guarded = new PassThrough();
  const cut = (): void => {
    // The body itself stays whole: destroyed, it would take the connection with it before the refusal is sent.
    body.unpipe(guarded);
    guarded.destroy(refused.reason as Error);
  };
  body.once('error', (error) => guarded.destroy(error));
  body.once('close', () => {
    if (!body.readableEnded) guarded.destroy(new Error('the client went before the body was whole'));
  });
  if (refused.aborted) cut();
  else refused.addEventListener('abort', cut, { once: true });
  if (!guarded.destroyed) body.pipe(guarded);
  try {
    return await work(guarded);
  } catch (error) {
    if (!refused.aborted) throw error;
    // What is left of the body is for nobody.
    void reply.header('connection', 'close');
    throw refused.reason;
  } finally {
    closed.abort();
  }
}
