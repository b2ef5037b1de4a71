import { jsonOf, type HttpReply, type HttpRequest } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isRefusal } from '../../domain/refusal.js';
import type { Gateway } from '../../gateway/gateway.js';
import type { ServingStatus } from '../../queries/serving-status.js';
import { departureOf } from '../departure.js';
import { decodedBody } from '../oip/content-coding.js';
import { OIP_STATUS, RETRY_AFTER } from '../oip/errors.js';
import { INVOCATION_ANSWER } from '../rest/answers.js';
import { doc } from '../rest/doc.js';
import { MLFLOW_ERROR } from './errors.js';
import { invocationTensors, predictionsJson } from './invocation-tensors.js';
import { parseCsvInvocation, parseInvocation } from './parse-invocation.js';

export interface InvocationsOptions {
  readonly gateway: Gateway;
  readonly status: ServingStatus;
  readonly maxBodyBytes: number;
}

const JSON_TYPE = 'application/json; charset=utf-8';

/**
 * `POST /api/v1/deployments/{deployment}/invocations`: the scoring path of MLflow's model server, for one deployment (or registered model). Takes
 * `dataframe_split`, `dataframe_records`, `instances` or `inputs`, and `params` (those of an inference request: `event_time`, `unit`, `timeout`,
 * `priority`), or `text/csv` with a header row; answers `{"predictions": ...}`. A request whose client leaves gives up its place in the queue. The header `millrace-prediction-id` names the prediction for its labels.
 */
export function invocationsRoutes(scope: FastifyInstance, { gateway, status, maxBodyBytes }: InvocationsOptions): void {
  const scoring = doc('Predicts, as MLflow’s model server does.', {
    body: { 'application/json': 'object', 'text/csv': 'text' },
    answer: jsonOf(INVOCATION_ANSWER),
    hasMlflowErrors: true,
  });
  scope.post<{ Params: { deployment: string } }>('/api/v1/deployments/:deployment/invocations', scoring, async (request, reply) => {
    const { deployment } = request.params;
    const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const parse = isCsv(request) ? parseCsvInvocation : parseInvocation;
    const invocation = parse(await decodedBody(raw, request.headers['content-encoding'], maxBodyBytes));
    const description = await status.model(deployment, undefined);
    // Of no rows and no columns there is nothing to ask the model; its rows' answers are a list of none, as at MLflow's server.
    if (invocation.isEmpty) return reply.header('content-type', JSON_TYPE).send(predictionsJson([], true));
    const inputs = invocationTensors(deployment, description, invocation);
    const { predictionId, outputs } = await gateway.infer({
      ...{ name: deployment, version: undefined, id: undefined, outputs: undefined },
      ...{ parameters: invocation.params, inputs, traceparent: request.traceparent, signal: departureOf(reply) },
    });
    void reply.header('content-type', JSON_TYPE).header('millrace-prediction-id', predictionId);
    return reply.send(predictionsJson(outputs, invocation.isFrame));
  });
}

/** Whether the body is CSV. MLflow's server reads it in UTF-8 only, and says so. */
function isCsv(request: FastifyRequest): boolean {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').split(';').map((part) => part.trim().toLowerCase());
  if (type !== 'text/csv') return false;
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '');
  if (charset !== undefined && charset !== 'utf-8') {
    const problem = new Error(`charset ${charset} is not read here; send the CSV in utf-8`);
    throw Object.assign(problem, { statusCode: 415 });
  }
  return true;
}

/** Errors leave as MLflow's server writes them. */
export function invocationsError(onDefect: (error: unknown, request: HttpRequest) => void) {
  return (error: unknown, request: HttpRequest, reply: HttpReply): void => {
    if (isRefusal(error)) {
      const retryAfter = RETRY_AFTER[error.code];
      if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
      void reply.code(OIP_STATUS[error.code]).send({ error_code: MLFLOW_ERROR[error.code], message: error.message });
      return;
    }
    const { status, statusCode = status, message } = error as { status?: number; statusCode?: number; message?: string };
    if (statusCode !== undefined && statusCode < 500) {
      void reply.code(statusCode).send({ error_code: ERROR_OF_STATUS[statusCode] ?? 'BAD_REQUEST', message });
      return;
    }
    onDefect(error, request);
    void reply
      .code(500)
      .send({ error_code: 'INTERNAL_ERROR', message: 'something went wrong here; the log of this process has the details' });
  };
}

const ERROR_OF_STATUS: Readonly<Record<number, string>> = { 401: 'UNAUTHENTICATED', 403: 'PERMISSION_DENIED' };
