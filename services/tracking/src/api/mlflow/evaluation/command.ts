import { MlflowError, type MlflowErrorCode } from '@millrace/mlflow-protocol';
import type { Command, CommandMetadata, CommandOutcome, Event, Rejection } from '@millrace/kernel';
import type { FastifyReply } from 'fastify';
import type { EvaluationDatasetRejection } from '../../../domain/evaluation-dataset/evaluation-dataset.decider.js';
import type { IssueRejection } from '../../../domain/issue/issue.decider.js';
import type { ScorersRejection } from '../../../domain/scorers/scorers.decider.js';
import type { EvaluationApi } from './context.js';

type EvaluationRejection = EvaluationDatasetRejection | ScorersRejection | IssueRejection;

/** What an MLflow client is told of each rejection. */
const CODES: Readonly<Record<EvaluationRejection['code'], MlflowErrorCode>> = {
  MR_TRACKING_EVALUATION_DATASET_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_TRACKING_EVALUATION_DATASET_EXISTS: 'RESOURCE_ALREADY_EXISTS',
  MR_TRACKING_EVALUATION_DATASET_FULL: 'INVALID_PARAMETER_VALUE',
  MR_TRACKING_SCORER_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_TRACKING_SCORERS_FULL: 'INVALID_PARAMETER_VALUE',
  MR_TRACKING_ISSUE_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_TRACKING_ISSUE_EXISTS: 'RESOURCE_ALREADY_EXISTS',
};

/** Gives a command, and answers its event; nothing when there was nothing to do. A rejection is the error the client is sent. */
export async function give<E extends Event>(
  api: EvaluationApi,
  { subject, command, metadata, reply }: { subject: string; command: Command; metadata: CommandMetadata; reply: FastifyReply },
): Promise<E | undefined> {
  const outcome: CommandOutcome<E, Rejection> = await api.handle<E, Rejection>(subject, command, metadata);
  if (outcome.kind === 'rejected') {
    throw new MlflowError(CODES[outcome.rejection.code as EvaluationRejection['code']], outcome.rejection.message);
  }
  api.sendPosition(reply, [outcome.position]);
  return outcome.kind === 'accepted' ? outcome.event : undefined;
}
