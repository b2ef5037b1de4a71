import { TOPICS } from '@millrace/contracts';
import { migrate } from '@millrace/offline-store';
import type { Position } from '@millrace/kernel';
import { MlflowError } from '@millrace/mlflow-protocol';
import { commandMetadata, sendPosition, type DomainLog } from '@millrace/service';
import type { LoggedModelsApi } from './api/mlflow/models/context.js';
import { LoggedModelCommands } from './commands/logged-model-commands.js';
import { LoggedModelImports } from './commands/logged-model-imports.js';
import type { ModelMetricsLogged } from './domain/logged-model/model-metrics.js';
import { decodeModelMetrics, MODEL_METRICS_TABLE, modelMetricRows } from './projections/model-metrics.projection.js';
import type { LoggedModelsView } from './queries/logged-models-view.js';
import type { RegisteredVersionsView } from './queries/registered-versions-view.js';
import { modelMetrics, pointsNotMeasured } from './queries/model-metrics.query.js';
import { searchLoggedModels } from './queries/search-logged-models.query.js';
import type { TrackingView } from './queries/tracking-view.js';
import type { TrackingHost } from './tracking.runtime.js';

const MODEL_METRICS = TOPICS.modelMetrics.name;

/** What the endpoints of logged models are made of, and the projection of their metrics. */
export async function openLoggedModels(
  host: TrackingHost,
  domain: DomainLog,
  view: TrackingView,
  models: LoggedModelsView,
  registered: RegisteredVersionsView,
): Promise<LoggedModelsApi> {
  const { topics, facts, tables, offline, clock, ids, config } = host;
  await topics.ensure(TOPICS.modelMetrics);
  await migrate(offline, { name: 'tracking-models', directory: new URL('./migrations/models/', import.meta.url) });
  const metrics = await tables.add({
    name: 'tracking.model-metrics',
    topic: MODEL_METRICS,
    table: MODEL_METRICS_TABLE,
    shared: true,
    decode: decodeModelMetrics,
    toRows: modelMetricRows,
  });
  const upToDate = () => Promise.all([models.upToDate(), metrics.barrier(config.queryDeadlineMs)]);
  const logMetrics: LoggedModelsApi['logMetrics'] = async (runId, points, metadata) => {
    const experimentId = view.run(runId)?.experimentId ?? '';
    const batch = [...points].map(([modelId, measured]) => {
      // A model may belong to another experiment than the run that measures it.
      const data: ModelMetricsLogged = {
        modelId,
        experimentId: models.anyModel(modelId)?.experimentId ?? experimentId,
        runId,
        points: measured,
      };
      const id = ids.derived(metadata.commandId, `model-metrics/${modelId}`);
      return { key: modelId, type: 'ModelMetricsLogged', domain: 'tracking', subject: `logged-model/${modelId}`, id, data };
    });
    return facts.append(MODEL_METRICS, batch, metadata.traceparent);
  };
  return {
    commands: new LoggedModelCommands(domain, view, models, ids),
    imports: new LoggedModelImports(domain, view, models, ids),
    view: models,
    artifacts: host.artifacts,
    search: async (search) => {
      await upToDate();
      return searchLoggedModels(models, offline, search);
    },
    metricsOf: async (found) => {
      if (found.length === 0) return new Map();
      await metrics.barrier(config.queryDeadlineMs);
      const experimentIds = [...new Set(found.map((model) => model.experimentId))];
      return modelMetrics(
        offline,
        experimentIds,
        found.map((model) => model.modelId),
      );
    },
    versionsOf: async (found) => {
      if (found.length === 0) return new Map();
      await registered.upToDate();
      return new Map(found.map(({ modelId }) => [modelId, registered.ofLoggedModel(modelId)]));
    },
    logMetrics,
    importPoints: async (modelId, byRun, { isCheckOnly, metadata }) => {
      await upToDate();
      const model = models.model(modelId);
      if (!model?.imported) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `No logged model with ID '${modelId}' was brought here`);
      const missing = await pointsNotMeasured(offline, model.experimentId, modelId, byRun);
      const positions: Position[] = [];
      let count = 0;
      for (const [runId, points] of missing) {
        count += points.length;
        if (isCheckOnly) continue;
        const one = { ...metadata, commandId: ids.derived(metadata.commandId, runId) };
        positions.push(...(await logMetrics(runId, new Map([[modelId, points]]), one)));
      }
      return { missing: count, positions };
    },
    metadata: (request) => commandMetadata(request, clock, ids),
    sendPosition,
  };
}
