/**
 * Whether a client is MLflow's own of the line before 3. Where the two lines differ in what they expect to read, this tells them apart;
 * anyone else is answered as the newer line is.
 */
export function isOldClient(userAgent: string | undefined): boolean {
  return userAgent !== undefined && /^mlflow-python-client\/[0-2]\./.test(userAgent);
}
