import type { HttpReply, HttpRequest } from '@millrace/service';
import { faultToFeastError, sendFeastError, sendJson } from './errors.js';

/** Errors nobody mapped: a fault in Feast's form, a defect without its text. */
export function feastErrorHandler(onDefect: (error: unknown, request: HttpRequest) => void) {
  return (error: unknown, request: HttpRequest, reply: HttpReply): void => {
    // Fastify's own errors say `statusCode`, problems `status`.
    const { statusCode, status = statusCode } = error as { statusCode?: number; status?: number };
    // Who may come in is FastAPI's affair in Feast's server, not its own: those refusals are FastAPI's `detail`.
    if ((status === 401 || status === 403) && error instanceof Error) {
      void sendJson(reply, status, JSON.stringify({ detail: error.message }));
      return;
    }
    const isClient = status !== undefined && status < 500 && error instanceof Error;
    const known = faultToFeastError(error) ?? (isClient ? { status, message: error.message } : undefined);
    if (!known || known.status === 500) onDefect(error, request);
    void sendFeastError(reply, known ?? { status: 500, message: `something went wrong here; see the log under request ${request.id}` });
  };
}
