import type { ReadRow } from '../domain/read/features-read.js';

/** Stands for every input and feature. */
export const EVERYTHING = '*';

/** Names with and without their view: a record has a feature's own name, and the view before it only where two views have one of that name. */
export function featureNames(name: string): string[] {
  return [name, name.replace(':', '__'), name.replace(/^.*?(:|__)/, '')];
}

/** The rows without what their service does not want kept (`readLog.redact`), by the names that a deployment's `predictionLog.redact` goes by too. */
export function redactRows(rows: readonly ReadRow[], redact: readonly string[]): readonly ReadRow[] {
  if (redact.length === 0) return rows;
  const isEverything = redact.includes(EVERYTHING);
  const [names, features] = [new Set(redact), new Set(redact.flatMap(featureNames))];
  const kept = <T>(values: Readonly<Record<string, T>>, without: ReadonlySet<string>): Record<string, T> =>
    Object.fromEntries(Object.entries(values).filter(([name]) => !isEverything && !without.has(name)));
  return rows.map((row) => ({
    row: row.row,
    entity: kept(row.entity, names),
    request: row.request && kept(row.request, names),
    features: kept(row.features, features),
    statuses: row.statuses && kept(row.statuses, features),
  }));
}
