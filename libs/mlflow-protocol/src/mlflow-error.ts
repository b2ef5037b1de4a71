/** MLflow's error codes with the HTTP status each is sent with. */
export const MLFLOW_STATUS = {
  BAD_REQUEST: 400,
  INVALID_PARAMETER_VALUE: 400,
  RESOURCE_ALREADY_EXISTS: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  ENDPOINT_NOT_FOUND: 404,
  RESOURCE_DOES_NOT_EXIST: 404,
  RESOURCE_CONFLICT: 409,
  REQUEST_LIMIT_EXCEEDED: 429,
  INTERNAL_ERROR: 500,
  INVALID_STATE: 500,
  NOT_IMPLEMENTED: 501,
  TEMPORARILY_UNAVAILABLE: 503,
} as const;

export type MlflowErrorCode = keyof typeof MLFLOW_STATUS;

/** What an MLflow client is told: `{"error_code", "message"}` under the code's HTTP status. Thrown inside `api/mlflow` only. */
export class MlflowError extends Error {
  override readonly name = 'MlflowError';

  constructor(
    readonly code: MlflowErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }

  get status(): number {
    return MLFLOW_STATUS[this.code];
  }
}

/** True for a {@link MlflowError} of any realm. */
export function isMlflowError(error: unknown): error is MlflowError {
  return error instanceof Error && error.name === 'MlflowError';
}

export function invalid(message: string): MlflowError {
  return new MlflowError('INVALID_PARAMETER_VALUE', message);
}
