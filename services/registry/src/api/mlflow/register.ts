import { registerMlflowRoutes, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { FastifyInstance } from 'fastify';
import type { RegistryApi } from './context.js';
import { importRoutes } from './import-routes.js';
import { registerVersionArtifacts } from './artifact-routes.js';
import { modelRoutes } from './model-routes.js';
import { versionRoutes } from './version-routes.js';

/** Every MLflow endpoint of this service, in one list. */
export function registryRoutes(api: RegistryApi): MlflowRoute[] {
  return [...modelRoutes(api), ...versionRoutes(api), ...importRoutes(api)];
}

/** Registers the MLflow endpoints on Fastify itself: they speak MLflow's errors. */
export function registerRegistryApi(server: FastifyInstance, api: RegistryApi): void {
  registerMlflowRoutes(server, registryRoutes(api), { onDefect: (error, request) => api.onDefect(error, request) });
  registerVersionArtifacts(server, api);
}
