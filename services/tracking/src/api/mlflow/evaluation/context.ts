import type { Command, CommandMetadata, CommandOutcome, Event, Position, Rejection } from '@millrace/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DatasetRecord, DatasetRecordFact } from '../../../domain/evaluation-dataset/dataset-records.js';
import type { EvaluationDatasetState } from '../../../domain/evaluation-dataset/evaluation-dataset.decider.js';
import type { Experiment } from '../../../domain/experiments/experiments.decider.js';
import type { IssueState } from '../../../domain/issue/issue.decider.js';
import type { Scorers } from '../../../domain/scorers/scorers.decider.js';
import type { AggregateView } from '../../../queries/aggregate-view.js';
import type { RecordsPage, RecordsSummary } from '../../../queries/dataset-records.query.js';
import type { DatasetSchema } from '../../../queries/dataset-schema.query.js';

/** What the endpoints of evaluation are made of: datasets to evaluate with, scorers, and issues that were found. */
export interface EvaluationApi {
  readonly views: {
    readonly datasets: AggregateView<EvaluationDatasetState>;
    readonly scorers: AggregateView<Scorers>;
    readonly issues: AggregateView<IssueState>;
  };
  /** An experiment that is there and active; refuses the request otherwise. */
  experiment(experimentId: string): Promise<Experiment>;
  handle<E extends Event, R extends Rejection>(subject: string, command: Command, metadata: CommandMetadata): Promise<CommandOutcome<E, R>>;
  /** Resolves when the fact is durable. */
  tell(told: DatasetRecordFact, id: string, traceparent: string | undefined): Promise<readonly Position[]>;
  /** These answer from a projection that has passed all that was acknowledged before the call. */
  records(page: RecordsPage): Promise<DatasetRecord[]>;
  recordsThere(datasetId: string, recordIds: readonly string[]): Promise<ReadonlySet<string>>;
  summaries(datasetIds: readonly string[]): Promise<ReadonlyMap<string, RecordsSummary>>;
  schema(datasetId: string): Promise<DatasetSchema | undefined>;
  newId(metadata: CommandMetadata, purpose: string): string;
  metadata(request: FastifyRequest): CommandMetadata;
  sendPosition(reply: FastifyReply, positions: readonly Position[]): void;
}
