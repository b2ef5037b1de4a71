import type { ArtifactStore } from '@millrace/artifact-store';
import type { CommandMetadata, Position } from '@millrace/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LoggedModelCommands } from '../../../commands/logged-model-commands.js';
import type { LoggedModelImports } from '../../../commands/logged-model-imports.js';
import type { LoggedModel } from '../../../domain/logged-model/logged-model.decider.js';
import type { ModelPoint } from '../../../domain/logged-model/model-metrics.js';
import type { LoggedModelsView } from '../../../queries/logged-models-view.js';
import type { ModelMetric } from '../../../queries/model-metrics.query.js';
import type { NamedVersion } from '../../../queries/registered-versions-view.js';
import type { LoggedModelSearch } from '../../../queries/search-logged-models.query.js';

export interface ImportOfPoints {
  readonly isCheckOnly: boolean;
  readonly metadata: CommandMetadata;
}

export interface MissingPoints {
  readonly missing: number;
  readonly positions: readonly Position[];
}

/** What the endpoints of logged models are made of. */
export interface LoggedModelsApi {
  readonly commands: LoggedModelCommands;
  readonly imports: LoggedModelImports;
  readonly view: LoggedModelsView;
  readonly artifacts: ArtifactStore;
  /** All three answer from a projection that has passed all that was acknowledged before the call. */
  search(search: LoggedModelSearch): Promise<LoggedModel[]>;
  metricsOf(models: readonly LoggedModel[]): Promise<Map<string, ModelMetric[]>>;
  /** Versions of registered models that were made of these, by model id. */
  versionsOf(models: readonly LoggedModel[]): Promise<ReadonlyMap<string, readonly NamedVersion[]>>;
  /** Appends what a run measured of logged models, by model id; resolves when it is durable. */
  logMetrics(runId: string, points: ReadonlyMap<string, readonly ModelPoint[]>, metadata: CommandMetadata): Promise<readonly Position[]>;
  /** Appends those of a model's points, by run, that are not here yet, and tells how many were missing; with `isCheckOnly` it only tells. */
  importPoints(modelId: string, points: ReadonlyMap<string, readonly ModelPoint[]>, how: ImportOfPoints): Promise<MissingPoints>;
  metadata(request: FastifyRequest): CommandMetadata;
  sendPosition(reply: FastifyReply, positions: readonly Position[]): void;
}
