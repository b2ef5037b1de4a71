import { invalid, MlflowError, sendMlflowError, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { execute, GraphQLError, validate, type DocumentNode, type ExecutionResult } from 'graphql';
import type { TrackingApi } from '../mlflow/context.js';
import { excessOf, parseQuery } from './query-limits.js';
import { resolveField, type GraphqlContext } from './resolvers.js';
import { mlflowSchema } from './schema.js';

const MOST_BYTES = 1 << 20;
const MOST_ERRORS = 10;

interface Asked {
  readonly query?: unknown;
  readonly variables?: unknown;
  readonly operationName?: unknown;
}

/** `/graphql`: what MLflow's UI asks in this form instead of the REST API's. Nothing can be changed by it. */
export function registerGraphql(server: FastifyInstance, api: TrackingApi, routes: readonly MlflowRoute[]): void {
  const schema = mlflowSchema();
  const byPath = new Map(routes.map((route) => [route.path, route]));

  const answer = async (asked: Asked, request: FastifyRequest, reply: FastifyReply): Promise<ExecutionResult> => {
    const { query, variables, operationName } = asked;
    if (typeof query !== 'string' || query === '') throw invalid("Missing value for required parameter 'query'.");
    if (variables !== undefined && variables !== null && (typeof variables !== 'object' || Array.isArray(variables))) {
      throw invalid("Invalid value for parameter 'variables': it is a JSON object.");
    }
    let document: DocumentNode;
    try {
      document = parseQuery(query);
    } catch (error) {
      if (error instanceof Error && error.name === 'GraphQLError') return { data: null, errors: [error as GraphQLError] };
      throw error;
    }
    const excess = excessOf(document);
    const errors = excess === undefined ? validate(schema, document, undefined, { maxErrors: MOST_ERRORS }) : [new GraphQLError(excess)];
    if (errors.length > 0) return { data: null, errors };
    const contextValue: GraphqlContext = { api, routes: byPath, call: { request, reply } };
    return execute({
      ...{ schema, document, contextValue, fieldResolver: resolveField as never },
      variableValues: (variables ?? {}) as Record<string, unknown>,
      operationName: typeof operationName === 'string' ? operationName : null,
    });
  };
  /** Errors are texts, and there is always a word about them, as with MLflow. */
  const send = async (asked: Asked, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { data = null, errors } = await answer(asked, request, reply);
    const messages = errors?.map((error) => error.message) ?? null;
    return reply.type('application/json').send(JSON.stringify({ data, errors: messages }));
  };

  void server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: MOST_BYTES }, (_request, body, done) => done(null, body));
    scope.setErrorHandler((error, request, reply) => sendMlflowError(error, request, reply, (defect, at) => api.onDefect(defect, at)));
    scope.post('/graphql', (request, reply) => send(parsed(request.body), request, reply));
    scope.get('/graphql', (request, reply) => {
      const { variables, ...asked } = request.query as Record<string, string | undefined>;
      return send(variables ? { ...asked, variables: parsed(variables) } : asked, request, reply);
    });
  });
}

function parsed(text: unknown): Asked {
  try {
    const value: unknown = JSON.parse(String(text));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw new MlflowError('BAD_REQUEST', `The request is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw new MlflowError('BAD_REQUEST', 'The request is not a JSON object; several queries in one request are not taken.');
}
