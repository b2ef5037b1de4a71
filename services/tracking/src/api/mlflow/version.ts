import { isOldClient } from '@millrace/mlflow-protocol';

/** The MLflow versions whose REST API this is: what clients of each line expect a server they know to be. */
const OLD_LINE = '2.9.2';
const NEW_LINE = '3.17.2';

/**
 * The version a client is told. A client of MLflow 3 sends spans to a server of its own line only; one of MLflow 2 is told the
 * version it was made for.
 */
export function mlflowVersionFor(userAgent: string | undefined): string {
  return isOldClient(userAgent) ? OLD_LINE : NEW_LINE;
}
