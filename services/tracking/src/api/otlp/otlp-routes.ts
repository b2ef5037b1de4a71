import { invalid, MlflowError, sendMlflowError } from '@millrace/mlflow-protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import type { TracesApi } from '../mlflow/traces/context.js';
import { tracesOfSpans } from './logged-spans.js';
import { spansOfJson, spansOfProtobuf } from './read-traces.js';

const EXPERIMENT = 'x-mlflow-experiment-id';
const RUN = 'x-mlflow-run-id';
const MOST_BYTES = 32 << 20;
const MOST_SPANS = 10_000;

/** `POST /v1/traces`: where OpenTelemetry's exporters, and MLflow's client among them, send spans. */
export function registerOtlp(server: FastifyInstance, api: TracesApi): void {
  void server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MOST_BYTES }, (_request: FastifyRequest, body: Buffer, done) =>
      done(null, body),
    );
    scope.setErrorHandler((error, request, reply) => sendMlflowError(error, request, reply, (defect, at) => api.onDefect(defect, at)));
    scope.post('/v1/traces', { bodyLimit: MOST_BYTES }, async (request, reply) => {
      const [type = ''] = (request.headers['content-type'] ?? '').split(';');
      const isJson = type.trim() === 'application/json';
      if (!isJson && type.trim() !== 'application/x-protobuf') {
        throw invalid(`Invalid Content-Type '${type}': spans come as application/x-protobuf or application/json.`);
      }
      const experimentId = headerOf(request, EXPERIMENT);
      if (experimentId === undefined) throw invalid(`The header ${EXPERIMENT} says which experiment the spans belong to; it is missing.`);
      const body = await decompressed((request.body as Buffer | undefined) ?? Buffer.alloc(0), request.headers['content-encoding']);
      const spans = isJson ? spansOfJson(body) : spansOfProtobuf(body);
      if (spans.length === 0) throw invalid('The request has no spans.');
      if (spans.length > MOST_SPANS) throw invalid(`The request has ${spans.length} spans; at most ${MOST_SPANS} are taken at once.`);
      await api.experiment(experimentId);
      const traces = tracesOfSpans(spans);
      await api.append(
        [...traces].flatMap(([traceId, told]) => [
          { type: 'SpansLogged' as const, data: { traceId, experimentId, ...told } },
          ...linked(headerOf(request, RUN), traceId, experimentId),
        ]),
        request.traceparent,
      );
      // An empty ExportTraceServiceResponse: everything was taken.
      return isJson ? reply.type('application/json').send('{}') : reply.type('application/x-protobuf').send(Buffer.alloc(0));
    });
  });
}

function linked(runId: string | undefined, traceId: string, experimentId: string) {
  return runId === undefined ? [] : [{ type: 'TraceLinked' as const, data: { traceId, experimentId, runId } }];
}

function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

async function decompressed(body: Buffer, encoding: string | undefined): Promise<Buffer> {
  const limit = { maxOutputLength: MOST_BYTES };
  try {
    switch (encoding?.toLowerCase()) {
      case undefined:
      case '':
      case 'identity':
        return body;
      case 'gzip':
        return await promisify<Buffer, object, Buffer>(gunzip)(body, limit);
      case 'deflate':
        return await promisify<Buffer, object, Buffer>(inflate)(body, limit);
      default:
        break;
    }
  } catch (error) {
    throw new MlflowError('BAD_REQUEST', `The body is not ${encoding}: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw invalid(`Unknown Content-Encoding '${encoding}': gzip and deflate are read.`);
}
