import { joinArtifactPath } from '@millrace/artifact-store';
import { invalid, MlflowError, proxiedArtifactPath, sendArtifactFile, sendMlflowError } from '@millrace/mlflow-protocol';
import type { FastifyInstance } from 'fastify';
import { spansInOrder } from '../../../domain/trace/trace.js';
import type { TrackingApi } from '../context.js';
import { ARTIFACT_LOCATION } from './trace-routes.js';
import { traceFileJson } from './span-wire.js';

const PATHS = ['/api/2.0', '/ajax-api/2.0', '/ajax-api/3.0'].map((prefix) => `${prefix}/mlflow/get-trace-artifact`);

/** The spans of a trace as a file; with `path`, what a client attached to them: it uploads that below the trace's artifact location. */
export function registerTraceFiles(server: FastifyInstance, api: TrackingApi): void {
  for (const url of PATHS) {
    server.route({
      method: 'GET',
      url,
      errorHandler: (error, request, reply) => void sendMlflowError(error, request, reply, (defect, at) => api.onDefect(defect, at)),
      handler: async (request, reply) => {
        const { request_id: id, path = '' } = request.query as Record<string, unknown>;
        if (typeof id !== 'string' || id === '') throw invalid('Request must include the "request_id" query parameter.');
        if (typeof path !== 'string') throw invalid('Request must specify path once.');
        if (path !== '' && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(path))
          throw invalid(`Invalid attachment path: '${path.slice(0, 250)}'. Attachment path must be a valid UUID.`);
        const [trace] = await api.traces.traces([id], path === '');
        if (!trace) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `Trace with ID '${id}' not found.`);
        if (path === '') {
          void reply.header('content-disposition', 'attachment; filename=traces.json').type('application/json');
          return JSON.stringify(traceFileJson(spansInOrder(trace)));
        }
        const location = trace.tags.get(ARTIFACT_LOCATION) ?? '';
        const root = proxiedArtifactPath(location);
        if (root === undefined)
          throw invalid(`The attachments of trace ${id} are at '${location}', outside this server's artifact store; read them there.`);
        return sendArtifactFile(api.artifacts, joinArtifactPath(root, 'attachments', path), reply);
      },
    });
  }
}
