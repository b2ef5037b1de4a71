import { checkSelect, quoteTable } from '@millrace/offline-store';
import type { BatchOrigin, BatchSource } from '../definitions/feature-definitions.js';
import { batchFault } from './batch-fault.js';
import { columnsOf, selectRows, type GivenColumn } from './row-select.js';
import { sourceFiles } from './source-files.js';
import type { StagingHost } from './staged-rows.js';

/** The rows' statement as ClickHouse itself writes it, checked, with the columns it gives and what a message calls it. */
export interface CheckedStatement {
  readonly sql: string;
  readonly what: string;
  readonly columns: readonly GivenColumn[];
}

/** Of a source whose rows are a query's or a table's. */
export async function checkedStatement(
  { store }: Pick<StagingHost, 'store'>,
  source: string,
  rows: Exclude<BatchOrigin['rows'], { kind: 'files' }>,
): Promise<CheckedStatement> {
  if (rows.kind === 'table') {
    const [sql, what] = [`SELECT * FROM ${quoteTable(rows.table)}`, `table ${rows.table}`];
    // In process a file of the folder it was started in may be called like a table.
    return { sql, what, columns: await columnsOf(store, sql, what) };
  }
  const checked = await checkSelect(store, rows.sql, `spec.query of source ${source}`);
  if ('reason' in checked) throw batchFault(checked.reason);
  const what = `the query of source ${source}`;
  return { sql: checked.sql, what, columns: await columnsOf(store, checked.sql, what) };
}

/** Throws a fault with what can be known to be wrong with a source's query, table or files before its rows are read. */
export async function checkOrigin(host: StagingHost, { plan, batch }: BatchSource): Promise<void> {
  const { rows } = batch;
  if (rows.kind === 'files') {
    await sourceFiles(host, rows.files);
    return;
  }
  const { sql, what, columns } = await checkedStatement(host, plan.name, rows);
  selectRows(plan, batch.hasComputedId, columns, { sql, what }, { from: null, to: 0 });
}
