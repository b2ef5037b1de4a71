import { registerMlflowRoutes, registerUnknownMlflowPaths, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { FastifyInstance } from 'fastify';
import { registerArtifactProxy, runArtifactRoutes } from './artifact-routes.js';
import type { TrackingApi } from './context.js';
import { importRoutes } from './import-routes.js';
import { datasetRoutes } from './evaluation/dataset-routes.js';
import { issueRoutes } from './evaluation/issue-routes.js';
import { scorerRoutes } from './evaluation/scorer-routes.js';
import { experimentRoutes } from './experiment-routes.js';
import { gatewayBindingRoutes } from './gateway/binding-routes.js';
import { gatewayDefinitionRoutes } from './gateway/definition-routes.js';
import { gatewayEndpointRoutes } from './gateway/endpoint-routes.js';
import { gatewayProviderRoutes } from './gateway/provider-routes.js';
import { gatewaySecretRoutes } from './gateway/secret-routes.js';
import { intervalRoutes } from './interval-routes.js';
import { loggingRoutes } from './logging-routes.js';
import { registerLoggedModelFiles } from './models/logged-model-files.js';
import { loggedModelImportRoutes } from './models/logged-model-import-routes.js';
import { loggedModelRoutes } from './models/logged-model-routes.js';
import { registerGraphql } from '../graphql/graphql-routes.js';
import { registerOtlp } from '../otlp/otlp-routes.js';
import { promptlabRoutes } from './promptlab-routes.js';
import { serverInfoRoutes } from './server-info-routes.js';
import { assessmentRoutes } from './traces/assessment-routes.js';
import { traceAnalysisRoutes } from './traces/trace-analysis-routes.js';
import { registerTraceFiles } from './traces/trace-files.js';
import { traceRoutes } from './traces/trace-routes.js';
import { mlflowVersionFor } from './version.js';
import { runRoutes } from './run-routes.js';
import { uiRoutes } from './ui-routes.js';

/** Every MLflow endpoint of this service, in one list. */
export function trackingRoutes(api: TrackingApi): MlflowRoute[] {
  return [
    ...experimentRoutes(api),
    ...runRoutes(api),
    ...loggingRoutes(api),
    ...intervalRoutes(api),
    ...runArtifactRoutes(api),
    ...uiRoutes(api),
    ...promptlabRoutes(api),
    ...importRoutes(api),
    ...loggedModelRoutes(api.loggedModels),
    ...loggedModelImportRoutes(api.loggedModels),
    ...serverInfoRoutes(),
    ...traceRoutes(api.traces),
    ...traceAnalysisRoutes(api.traces),
    ...assessmentRoutes(api.traces),
    ...datasetRoutes(api.evaluation),
    ...scorerRoutes(api.evaluation),
    ...issueRoutes(api.evaluation),
    ...gatewaySecretRoutes(api.gateway),
    ...gatewayDefinitionRoutes(api.gateway),
    ...gatewayEndpointRoutes(api.gateway),
    ...gatewayBindingRoutes(api.gateway),
    ...gatewayProviderRoutes(),
  ];
}

/** Registers the MLflow endpoints on Fastify itself: they are hot, and speak MLflow's errors. */
export function registerTrackingApi(server: FastifyInstance, api: TrackingApi): void {
  const routes = trackingRoutes(api);
  registerMlflowRoutes(server, routes, { onDefect: (error, request) => api.onDefect(error, request) });
  registerArtifactProxy(server, api);
  registerLoggedModelFiles(server, api);
  registerTraceFiles(server, api);
  registerGraphql(server, api, routes);
  registerOtlp(server, api.traces);
  registerUnknownMlflowPaths(server);
  server.get('/health', (_request, reply) => reply.type('text/plain').send('OK'));
  server.get('/version', (request, reply) => reply.type('text/plain').send(mlflowVersionFor(request.headers['user-agent'])));
}
