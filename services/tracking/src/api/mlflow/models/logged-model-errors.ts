import type { MlflowErrorCode } from '@millrace/mlflow-protocol';
import type { LoggedModelWritten } from '../../../commands/logged-model-commands.js';

/** What an MLflow client is told of each rejection. */
export const LOGGED_MODEL_CODES: Readonly<Record<Extract<LoggedModelWritten, { kind: 'rejected' }>['rejection']['code'], MlflowErrorCode>> =
  {
    MR_TRACKING_LOGGED_MODEL_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
    MR_TRACKING_LOGGED_MODEL_EXISTS: 'RESOURCE_ALREADY_EXISTS',
    MR_TRACKING_LOGGED_MODEL_PARAM_CHANGED: 'INVALID_PARAMETER_VALUE',
    MR_TRACKING_LOGGED_MODEL_TAG_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
    MR_TRACKING_EXPERIMENT_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
    MR_TRACKING_EXPERIMENT_NOT_ACTIVE: 'INVALID_PARAMETER_VALUE',
  };
