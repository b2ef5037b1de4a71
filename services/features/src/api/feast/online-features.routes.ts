import { parseEventTime, type OnlineReader, type ServicePlan, type ViewPlan } from '@millrace/feature-engine';
import type { Position } from '@millrace/kernel';
import { atLeast } from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { getOnlineFeatures, resolveFeatures, type OnlineCatalog } from '../../queries/get-online-features.query.js';
import { faultToFeastError, feastError, nameCollision, sendFeastError } from './errors.js';
import { parseFeastRequest } from './online-features-request.js';
import { writeFeastResponse } from './online-features-response.js';

export interface OnlineFeaturesOptions {
  readonly catalog: OnlineCatalog;
  readonly reader: OnlineReader;
  readonly now: () => number;
  readonly waitFor: (views: readonly ViewPlan[], position: Position) => Promise<void>;
  readonly maxRows: number;
}

const EMPTY = Buffer.alloc(0);

/** `POST /get-online-features`, as Feast's feature server answers it. */
export function onlineFeaturesRoutes(scope: FastifyInstance, options: OnlineFeaturesOptions): void {
  scope.post('/get-online-features', async (request, reply) => {
    const parsed = parseFeastRequest(Buffer.isBuffer(request.body) ? request.body : EMPTY, parseEventTime);
    if ('detail' in parsed) return reply.code(422).header('content-type', 'application/json').send(JSON.stringify(parsed));
    const plan = resolveFeatures(options.catalog, parsed);
    if ('kind' in plan) return sendFeastError(reply, feastError(plan));
    const names = featureNames(plan, parsed.fullFeatureNames);
    const repeated = repeatedNames(names);
    if (repeated.length > 0) return sendFeastError(reply, nameCollision(repeated));
    for (const position of [...parsed.atLeast, ...atLeast(request)]) await options.waitFor(plan.views, position);
    const at = parsed.at ?? options.now();
    const answer = await getOnlineFeatures(options.reader, plan, { ...parsed, at }, options.maxRows);
    if ('kind' in answer) return sendFeastError(reply, feastError(answer));
    return reply.header('content-type', 'application/json').send(writeFeastResponse(names, answer));
  });
}

/** Errors nobody mapped: a fault in Feast's form, a defect without its text. */
export function feastErrorHandler(onDefect: (error: unknown, request: FastifyRequest) => void) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    // Fastify's own errors say `statusCode`, problems `status`.
    const { statusCode, status = statusCode } = error as { statusCode?: number; status?: number };
    // Who may come in is FastAPI's affair in Feast's server, not its own: those refusals are FastAPI's `detail`.
    if ((status === 401 || status === 403) && error instanceof Error) {
      void reply
        .code(status)
        .header('content-type', 'application/json')
        .send(JSON.stringify({ detail: error.message }));
      return;
    }
    const isClient = status !== undefined && status < 500 && error instanceof Error;
    const known = faultToFeastError(error) ?? (isClient ? { status, message: error.message } : undefined);
    if (!known || known.status === 500) onDefect(error, request);
    void sendFeastError(reply, known ?? { status: 500, message: `something went wrong here; see the log under request ${request.id}` });
  };
}

function featureNames(plan: ServicePlan, full: boolean): string[] {
  return plan.features.map(({ view, name }) => (full ? `${view.name}__${name}` : name));
}

function repeatedNames(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
