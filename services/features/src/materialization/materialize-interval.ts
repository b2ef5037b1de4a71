import type { EventLog } from '@millrace/event-log';
import { quoteTable } from '@millrace/offline-store';
import type { BatchSource } from '../definitions/feature-definitions.js';
import { NO_ROWS, type MaterializationRun } from '../domain/materialization/materialization.decider.js';
import type { RejectedRow, RowCounts } from '../domain/materialization/materialization.events.js';
import type { SourceReader } from '../sources/source-record.js';
import { sourceTable } from '../sources/source-table.js';
import { appendRows, type AppendHost } from './append-rows.js';
import { withStagedRows, type StagingHost } from './staged-rows.js';

export interface IntervalHost extends AppendHost, StagingHost {
  readonly log: EventLog;
  readonly pageRows: number;
}

/** A source with rows to materialize, as it runs here. */
export interface RunningBatch {
  readonly source: BatchSource;
  readonly reader: SourceReader;
}

export interface IntervalSteps {
  /** The source as it is now; throws when it is another than the run's. Asked before each page. */
  readonly source: () => Promise<RunningBatch>;
  /** How many rows there are to go through. */
  readonly counted: (rows: number) => void;
  readonly progress: (to: number | null, rows: RowCounts, rejected: readonly RejectedRow[]) => Promise<void>;
}

/**
 * Brings the rows of a run's interval to the source's topic, a page at a time, beginning where the run has come to. Whatever is cut off is done
 * again: rows that are in the source's table already are not appended twice.
 */
export async function materializeInterval(host: IntervalHost, run: MaterializationRun, steps: IntervalSteps): Promise<void> {
  const { source, reader } = await steps.source();
  const { plan, batch } = source;
  // What an earlier attempt has appended has to be seen.
  await host.waitForTable(plan.topic, await host.log.end(plan.topic));
  const isTableEmpty = (await host.store.query(`SELECT 1 FROM ${quoteTable(sourceTable(plan.name))} LIMIT 1`)).length === 0;
  const interval = { from: run.reached ?? run.from, to: run.to };
  await withStagedRows(host, { plan, batch, pageRows: host.pageRows }, interval, async (rows) => {
    steps.counted(rows.count);
    if (rows.blank > 0 && run.reached === null) {
      const column = plan.columns[plan.eventTime]?.name ?? '';
      const counts = { ...NO_ROWS, read: rows.blank, rejected: rows.blank };
      await steps.progress(null, counts, [{ time: null, reason: `${rows.blank} rows have no time in ${column}` }]);
    }
    let page = await rows.page(undefined);
    while (page.length > 0) {
      // Throws when it is another by now.
      await steps.source();
      const appended = await appendRows(host, reader, page, { hasComputedId: batch.hasComputedId, isTableEmpty });
      const next = await rows.page(page.at(-1));
      // Of the time the next page begins with, there may have been rows on this one.
      await steps.progress(next[0]?.time ?? run.to, appended.rows, appended.rejected);
      page = next;
    }
  });
}
