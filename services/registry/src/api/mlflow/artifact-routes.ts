import { joinArtifactPath } from '@millrace/artifact-store';
import { invalid, safeArtifactPath, sendArtifactFile, sendMlflowError } from '@millrace/mlflow-protocol';
import type { FastifyInstance } from 'fastify';
import type { RegistryApi } from './context.js';
import { versionNotFound } from './errors.js';

/** `GET /model-versions/get-artifact`: a file of a version, for MLflow's UI. */
export function registerVersionArtifacts(server: FastifyInstance, api: RegistryApi): void {
  void server.register(async (scope) => {
    scope.setErrorHandler((error, request, reply) => sendMlflowError(error, request, reply, (defect, at) => api.onDefect(defect, at)));
    scope.get('/model-versions/get-artifact', async (request, reply) => {
      const { name, version, path } = request.query as Record<string, unknown>;
      if (typeof name !== 'string' || typeof version !== 'string' || typeof path !== 'string' || path === '') {
        throw invalid('name, version and path are required.');
      }
      const below = safeArtifactPath(path);
      await api.view.upToDate();
      const found = /^\d{1,15}$/.test(version) ? api.view.version(name, Number(version)) : undefined;
      if (!found) throw versionNotFound(name, Number(version));
      const { artifactPath, source } = found.version;
      if (artifactPath === null) {
        throw invalid(
          `The files of version ${version} of ${name} are at ${source}, outside this server's artifact store; read them there.`,
        );
      }
      return sendArtifactFile(api.artifacts, joinArtifactPath(artifactPath, below), reply);
    });
  });
}
