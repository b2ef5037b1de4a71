import { MlflowError, type MlflowErrorCode } from '@millrace/mlflow-protocol';
import { POLICY_CODES } from './policy-errors.js';
import type { RegistryRejection, Written } from '../../commands/registry-commands.js';
import type { Followed } from '../../commands/registry-imports.js';

/** What an MLflow client is told of each rejection. */
const CODES: Readonly<Record<RegistryRejection['code'], MlflowErrorCode>> = {
  MR_REGISTRY_MODEL_NAME_TAKEN: 'RESOURCE_ALREADY_EXISTS',
  MR_REGISTRY_MODEL_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_REGISTRY_VERSION_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_REGISTRY_VERSION_EXISTS: 'RESOURCE_CONFLICT',
  MR_REGISTRY_LOGGED_MODEL_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_REGISTRY_ARTIFACT_CHANGED: 'RESOURCE_CONFLICT',
  MR_REGISTRY_SIGNING_REFUSED: 'RESOURCE_CONFLICT',
  // MLflow's own server answers 500 here; the request is what is wrong.
  MR_REGISTRY_STAGE_CANNOT_ARCHIVE: 'INVALID_PARAMETER_VALUE',
  ...POLICY_CODES,
};

/** What a write gave, or its rejection as the error the client is sent. */
export function valueOf<W extends Written<unknown> | Followed<unknown>>(written: W): Extract<W, { kind: 'written' }> {
  if (written.kind === 'rejected') throw new MlflowError(CODES[written.rejection.code], written.rejection.message);
  return written as Extract<W, { kind: 'written' }>;
}

export function modelNotFound(name: string): MlflowError {
  return new MlflowError('RESOURCE_DOES_NOT_EXIST', `Registered Model with name=${name} not found`);
}

export function versionNotFound(name: string, version: number): MlflowError {
  return new MlflowError('RESOURCE_DOES_NOT_EXIST', `Model Version (name=${name}, version=${version}) not found`);
}
