import { isFault } from '@millrace/kernel';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Fields, QueryFields, type FieldValues } from './fields.js';
import { isMlflowError, MlflowError } from './mlflow-error.js';
import { parseNonFinite } from './non-finite-json.js';

/** One request to an MLflow endpoint. */
export interface MlflowCall {
  readonly fields: Fields;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** One endpoint: `path` is what follows `/api/<api>/mlflow/`; the answer is sent as JSON, `undefined` as `{}`. */
export interface MlflowRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** The version in the path; what MLflow 3 added is partly below `3.0`. Default: `2.0`. */
  readonly api?: '2.0' | '3.0';
  /** Of a question that is asked with POST: who may only read may ask it. Otherwise the table of `access-rules.ts` says who may call. */
  readonly access?: 'viewer';
  /** Whether the numbers of its body may be bare `NaN`, `Infinity` and `-Infinity`, as Python, R and Julia write them: it has fields for such. */
  readonly takesNonFinite?: boolean;
  readonly handle: (call: MlflowCall) => Promise<object | undefined>;
}

export interface MlflowRoutesOptions {
  /** Told of errors that are nobody's fault but ours; the client gets INTERNAL_ERROR. */
  readonly onDefect: (error: unknown, request: FastifyRequest) => void;
  /** What a request may weigh; more is refused with 413. MLflow's own bound for a batch is 1 MB. */
  readonly bodyLimit?: number;
}

type RouteConfig = Pick<MlflowRoute, 'access' | 'takesNonFinite'>;

function configOf({ access, takesNonFinite }: MlflowRoute): RouteConfig {
  return { ...(access === undefined ? {} : { access }), ...(takesNonFinite === undefined ? {} : { takesNonFinite }) };
}

const PREFIXES = ['/api', '/ajax-api'];
const DEFAULT_BODY_LIMIT = 4 << 20;

/**
 * Registers MLflow endpoints under both of its prefixes, in a scope of their own: they read their own JSON and answer errors in
 * MLflow's shape, and nothing of a web framework runs between the socket and the handler.
 */
export function registerMlflowRoutes(server: FastifyInstance, routes: readonly MlflowRoute[], options: MlflowRoutesOptions): void {
  void server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: options.bodyLimit ?? DEFAULT_BODY_LIMIT }, (request, body, done) => {
      try {
        done(null, parseBody(body as string, (request.routeOptions.config as RouteConfig).takesNonFinite === true));
      } catch (error) {
        done(error as Error);
      }
    });
    scope.setErrorHandler((error, request, reply) => sendMlflowError(error, request, reply, options.onDefect));
    for (const route of routes) {
      for (const prefix of PREFIXES) {
        scope.route({
          method: route.method,
          url: `${prefix}/${route.api ?? '2.0'}/mlflow/${route.path}`,
          config: configOf(route),
          handler: async (request, reply) => {
            const body = request.body as FieldValues | undefined;
            const fields =
              route.method === 'GET' ? new QueryFields(request.query as FieldValues) : new Fields(body ?? {}, body && SOURCES.get(body));
            const answer = await route.handle({ fields, request, reply });
            return reply.type('application/json').send(JSON.stringify(answer ?? {}));
          },
        });
      }
    }
  });
}

/** Paths below these that no route takes are answered in MLflow's shape, so that its clients can read the refusal. */
const MLFLOW_TREES = ['/api/2.0/mlflow/*', '/ajax-api/2.0/mlflow/*', '/api/3.0/mlflow/*', '/ajax-api/3.0/mlflow/*'];

/** Answers what no route of MLflow's takes. Once per server. */
export function registerUnknownMlflowPaths(server: FastifyInstance): void {
  for (const url of MLFLOW_TREES) {
    server.route({
      method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      url,
      // Who is not let in hears so in the same shape.
      errorHandler: (error, request, reply) => void sendMlflowError(error, request, reply, () => undefined),
      handler: (request, reply) => {
        const error = new MlflowError('ENDPOINT_NOT_FOUND', `There is no endpoint ${request.method} ${request.url.split('?')[0]} here.`);
        return reply
          .code(error.status)
          .type('application/json')
          .send(JSON.stringify({ error_code: error.code, message: error.message }));
      },
    });
  }
}

/** Answers an error in MLflow's shape. Faults that may pass become 503, so that clients which retry on it do. */
export function sendMlflowError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  onDefect: MlflowRoutesOptions['onDefect'],
): FastifyReply {
  const told = toMlflowError(error);
  if (told.code === 'INTERNAL_ERROR' && told !== error) onDefect(error, request);
  if (told.code === 'TEMPORARILY_UNAVAILABLE') void reply.header('retry-after', '1');
  return reply
    .code(told.status)
    .type('application/json')
    .send(JSON.stringify({ error_code: told.code, message: told.message }));
}

function toMlflowError(error: unknown): MlflowError {
  if (isMlflowError(error)) return error;
  if (isFault(error)) {
    const code = error.retryable ? 'TEMPORARILY_UNAVAILABLE' : (FAULTS[error.code] ?? 'INTERNAL_ERROR');
    return new MlflowError(code, error.message, { cause: error });
  }
  const { status, statusCode, message } = error as { status?: unknown; statusCode?: unknown; message?: unknown };
  if (status === 401 || status === 403) return new MlflowError(status === 401 ? 'UNAUTHENTICATED' : 'PERMISSION_DENIED', String(message));
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) return new MlflowError('BAD_REQUEST', String(message));
  return new MlflowError('INTERNAL_ERROR', 'Internal error; the server log names it.', { cause: error });
}

/** Faults whose cause is the request. */
const FAULTS: Readonly<Record<string, 'INVALID_PARAMETER_VALUE' | 'RESOURCE_DOES_NOT_EXIST'>> = {
  MR_ARTIFACT_PATH: 'INVALID_PARAMETER_VALUE',
  MR_ARTIFACT_UPLOAD: 'INVALID_PARAMETER_VALUE',
  MR_ARTIFACT_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_RECORD_TOO_LARGE: 'INVALID_PARAMETER_VALUE',
};

/** The text of each body that is being answered, for errors that show what was written. */
const SOURCES = new WeakMap<FieldValues, string>();

/** The body's object; an empty body has no fields. Older clients send their JSON encoded twice. */
function parseBody(text: string, takesNonFinite: boolean): FieldValues {
  if (text === '') return {};
  let value = parseJsonBody(text, takesNonFinite);
  if (typeof value === 'string') value = parseJsonBody(value, takesNonFinite);
  if (typeof value !== 'object' || Array.isArray(value)) throw new MlflowError('BAD_REQUEST', 'The request body is not a JSON object.');
  const fields = (value ?? {}) as FieldValues;
  SOURCES.set(fields, text);
  return fields;
}

function parseJsonBody(text: string, takesNonFinite: boolean): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const mended = parseNonFinite(text);
    if (mended !== undefined && takesNonFinite) return mended;
    const mend =
      mended === undefined
        ? ''
        : ' NaN and the infinities are not numbers of JSON: send them as text, such as "NaN", where they are meant.';
    throw new MlflowError('BAD_REQUEST', `The request body is not JSON: ${error instanceof Error ? error.message : String(error)}.${mend}`);
  }
}
