import type { ImportReport } from './import-report.js';
import { isRefusal } from './mlflow-server.js';

type Value = string | number | undefined;

/** Tells a field that differs: as a problem, or as left when it was changed here. */
export function compareField(
  report: ImportReport,
  where: string,
  field: string,
  [there, here]: readonly [there: Value, here: Value],
  isLeft: boolean,
): void {
  const [a, b] = [String(there ?? ''), String(here ?? '')];
  if (a === b) return;
  const difference = `${field} is ${a === '' ? 'empty' : a} there and ${b === '' ? 'empty' : b} here`;
  if (isLeft) report.left(where, difference);
  else report.problem(where, difference);
}

/** What a server refuses becomes a problem of the report, and the import goes on; `undefined` then. */
export async function attempt<T>(report: ImportReport, where: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    // Without a right to import, or to read, nothing that comes after would go better.
    if (!isRefusal(error) || error.status === 401 || error.status === 403) throw error;
    report.problem(where, error.message);
    return undefined;
  }
}
