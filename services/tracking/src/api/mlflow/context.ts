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
import type { FoundRun, RunSearch } from '../../queries/search-runs.query.js';
import type { IntervalRequest, MetricSeries, RunPoint, SeriesRequest } from '../../queries/metric-series.query.js';
import type { PlacedPoint, PointsSince } from '../../queries/points-since.query.js';
import type { RunFeed } from '../../queries/run-feed.js';
import type { RegisteredVersionsView } from '../../queries/registered-versions-view.js';
import type { TrackingView } from '../../queries/tracking-view.js';
import type { EvaluationApi } from './evaluation/context.js';
import type { GatewayApi } from './gateway/context.js';
import type { LoggedModelsApi } from './models/context.js';
import type { TracesApi } from './traces/context.js';

/** Root of the experiments that name no artifact location of their own: this server's proxied artifact store. */
export const ARTIFACT_ROOT = 'mlflow-artifacts:';

/** What the endpoints are made of. */
export interface TrackingApi {
  readonly commands: TrackingCommands;
  readonly imports: TrackingImports;
  readonly view: TrackingView;
  readonly garbage: GarbageCollection;
  readonly artifacts: ArtifactStore;
  /** What the registry holds of runs and logged models. */
  readonly registered: RegisteredVersionsView;
  readonly loggedModels: LoggedModelsApi;
  readonly traces: TracesApi;
  readonly evaluation: EvaluationApi;
  readonly gateway: GatewayApi;
  /** What was recorded of the files below a path when they were uploaded. */
  recorded(root: string): Promise<RecordedFile[]>;
  /** These answer from a projection that has passed all that was acknowledged before the call. */
  searchRuns(search: RunSearch): Promise<FoundRun[]>;
  metricHistory(request: HistoryRequest): Promise<MetricPoint[]>;
  metricHistoryBulk(request: BulkHistoryRequest): Promise<RunMetricPoint[]>;
  metricSeries(request: SeriesRequest): Promise<MetricSeries>;
  metricInterval(request: IntervalRequest): Promise<RunPoint[]>;
  datasetSummaries(experimentIds: readonly string[], limit: number): Promise<DatasetSummary[]>;
  readonly live: LiveRuns;
  metadata(request: FastifyRequest): CommandMetadata;
  sendPosition(reply: FastifyReply, positions: readonly Position[]): void;
  onDefect(error: unknown, request: FastifyRequest): void;
}

/** What streams of runs' events are made of. */
export interface LiveRuns {
  readonly feed: RunFeed;
  /** The topic of the metric points, and how many partitions it has. */
  readonly topic: string;
  readonly partitions: number;
  /** Offset before which this process has folded a partition's metric points. */
  foldedTo(partition: number): number;
  /** Points from a table that has passed all that was acknowledged before the call. */
  pointsSince(run: Pick<PointsSince, 'experimentId' | 'runId'>, since: Omit<PointsSince, 'experimentId' | 'runId'>): Promise<PlacedPoint[]>;
}
