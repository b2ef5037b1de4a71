import { MlflowError, type MlflowErrorCode } from '@millrace/mlflow-protocol';
import type { TrackingRejection, Written } from '../../commands/tracking-commands.js';

/** What an MLflow client is told of each rejection. */
const CODES: Readonly<Record<TrackingRejection['code'], MlflowErrorCode>> = {
  MR_TRACKING_EXPERIMENT_NAME_TAKEN: 'RESOURCE_ALREADY_EXISTS',
  MR_TRACKING_EXPERIMENT_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_TRACKING_EXPERIMENT_NOT_ACTIVE: 'INVALID_PARAMETER_VALUE',
  MR_TRACKING_EXPERIMENT_NOT_DELETED: 'INVALID_PARAMETER_VALUE',
  MR_TRACKING_EXPERIMENT_TAG_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_TRACKING_RUN_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_TRACKING_RUN_EXISTS: 'RESOURCE_ALREADY_EXISTS',
  MR_TRACKING_RUN_NOT_ACTIVE: 'INVALID_PARAMETER_VALUE',
  MR_TRACKING_RUN_NOT_DELETED: 'INVALID_PARAMETER_VALUE',
  MR_TRACKING_RUN_NAMES_DIFFER: 'INVALID_PARAMETER_VALUE',
  MR_TRACKING_RUN_TAG_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_TRACKING_PARAM_CHANGED: 'INVALID_PARAMETER_VALUE',
  MR_TRACKING_PARAM_REPEATED: 'INVALID_PARAMETER_VALUE',
};

export function mlflowErrorOf(rejection: TrackingRejection): MlflowError {
  return new MlflowError(CODES[rejection.code], rejection.message);
}

/** What a write gave, or its rejection as the error the client is sent. */
export function valueOf<T>(written: Written<T>): Extract<Written<T>, { kind: 'written' }> {
  if (written.kind === 'rejected') throw mlflowErrorOf(written.rejection);
  return written;
}

export function experimentNotFound(id: string): MlflowError {
  return new MlflowError('RESOURCE_DOES_NOT_EXIST', `No Experiment with id=${id} exists`);
}

export function runNotFound(id: string): MlflowError {
  return new MlflowError('RESOURCE_DOES_NOT_EXIST', `Run with id=${id} not found`);
}
