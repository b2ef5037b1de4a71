import type { ArtifactStore } from '@millrace/artifact-store';
import type { CommandMetadata } from '@millrace/kernel';
import type { RecordedFile } from '@millrace/service';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Position } from '@millrace/kernel';
import type { GarbageCollection } from '../../commands/garbage-collection.js';
import type { TrackingCommands } from '../../commands/tracking-commands.js';
import type { TrackingImports } from '../../commands/tracking-imports.js';
import type { MetricPoint } from '../../domain/metric-points/metric-points.js';
import type { DatasetSummary } from '../../queries/dataset-summaries.query.js';
import type { BulkHistoryRequest, RunMetricPoint } from '../../queries/metric-history-bulk.query.js';
import type { HistoryRequest } from '../../queries/metric-history.query.js';
import type { RunSearch } from '../../queries/search-runs.query.js';
import type { TrackingView } from '../../queries/tracking-view.js';

/** Root of the experiments that name no artifact location of their own: this server's proxied artifact store. */
export const ARTIFACT_ROOT = 'mlflow-artifacts:';

/** What the endpoints are made of. */
export interface TrackingApi {
  readonly commands: TrackingCommands;
  readonly imports: TrackingImports;
  readonly view: TrackingView;
  readonly garbage: GarbageCollection;
  readonly artifacts: ArtifactStore;
  /** What was recorded of the files below a path when they were uploaded. */
  recorded(root: string): Promise<RecordedFile[]>;
  /** These answer from a projection that has passed all that was acknowledged before the call. */
  searchRuns(search: RunSearch): Promise<string[]>;
  metricHistory(request: HistoryRequest): Promise<MetricPoint[]>;
  metricHistoryBulk(request: BulkHistoryRequest): Promise<RunMetricPoint[]>;
  datasetSummaries(experimentIds: readonly string[], limit: number): Promise<DatasetSummary[]>;
  metadata(request: FastifyRequest): CommandMetadata;
  sendPosition(reply: FastifyReply, positions: readonly Position[]): void;
  onDefect(error: unknown, request: FastifyRequest): void;
}
