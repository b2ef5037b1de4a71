import { registerMlflowRoutes, registerUnknownMlflowPaths, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { FastifyInstance } from 'fastify';
import { registerArtifactProxy, runArtifactRoutes } from './artifact-routes.js';
import type { TrackingApi } from './context.js';
import { experimentRoutes } from './experiment-routes.js';
import { intervalRoutes } from './interval-routes.js';
import { loggingRoutes } from './logging-routes.js';
import { runRoutes } from './run-routes.js';

/** The MLflow version whose REST API this is; clients ask for it. */
export const MLFLOW_VERSION = '2.9.2';

/** Every MLflow endpoint of this service, in one list. */
export function trackingRoutes(api: TrackingApi): MlflowRoute[] {
  return [...experimentRoutes(api), ...runRoutes(api), ...loggingRoutes(api), ...intervalRoutes(api), ...runArtifactRoutes(api)];
}

/** Registers the MLflow endpoints on Fastify itself: they are hot, and speak MLflow's errors. */
export function registerTrackingApi(server: FastifyInstance, api: TrackingApi): void {
  registerMlflowRoutes(server, trackingRoutes(api), { onDefect: (error, request) => api.onDefect(error, request) });
  registerArtifactProxy(server, api);
  registerUnknownMlflowPaths(server);
  server.get('/health', (_request, reply) => reply.type('text/plain').send('OK'));
  server.get('/version', (_request, reply) => reply.type('text/plain').send(MLFLOW_VERSION));
}
