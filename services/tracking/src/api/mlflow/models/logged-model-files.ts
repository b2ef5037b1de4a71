import { joinArtifactPath } from '@millrace/artifact-store';
import { invalid, proxiedArtifactPath, safeArtifactPath, sendArtifactFile, sendMlflowError } from '@millrace/mlflow-protocol';
import type { FastifyInstance } from 'fastify';
import type { TrackingApi } from '../context.js';
import { existingLoggedModel } from './logged-model-routes.js';

/** A file of a logged model, as MLflow's UI shows it. */
export function registerLoggedModelFiles(server: FastifyInstance, api: TrackingApi): void {
  server.route({
    method: 'GET',
    url: '/ajax-api/2.0/mlflow/logged-models/:modelId/artifacts/files',
    errorHandler: (error, request, reply) => void sendMlflowError(error, request, reply, (defect, at) => api.onDefect(defect, at)),
    handler: async (request, reply) => {
      const { artifact_file_path: path } = request.query as Record<string, unknown>;
      if (typeof path !== 'string' || path === '') throw invalid('Request must specify artifact_file_path.');
      const model = await existingLoggedModel(api.loggedModels, request);
      const root = proxiedArtifactPath(model.artifactUri);
      if (root === undefined) {
        throw invalid(
          `The files of logged model ${model.modelId} are at ${model.artifactUri}, outside this server's artifact store; read them there.`,
        );
      }
      return sendArtifactFile(api.artifacts, joinArtifactPath(root, safeArtifactPath(path)), reply);
    },
  });
}
