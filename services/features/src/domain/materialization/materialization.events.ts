import type { Event } from '@millrace/kernel';

/** What became of rows that were read. Each is one of the other three. */
export interface RowCounts {
  readonly read: number;
  /** New, or other than the source's table had them. */
  readonly appended: number;
  /** The source's table has them already, with the same values. */
  readonly unchanged: number;
  /** They do not fit the source's schema. */
  readonly rejected: number;
}

export interface RejectedRow {
  /** Event time, milliseconds since the epoch; null: it has none. */
  readonly time: number | null;
  readonly reason: string;
}

export interface MaterializationStarted {
  readonly materializationId: string;
  readonly source: string;
  /** Of the source's definition. */
  readonly version: number;
  /** Event times, milliseconds since the epoch: the first, null from the first row there is, and the one before which it ends. */
  readonly from: number | null;
  readonly to: number;
  readonly trigger: 'request' | 'schedule';
  /** The process that reads the rows. */
  readonly runner: string;
}

/** The process before showed no sign of life. */
export interface MaterializationTakenOver {
  readonly materializationId: string;
  readonly runner: string;
}

/** Rows with event times before `to` are in the source's table. The same `to` again, with no rows, is a sign of life. */
export interface MaterializationProgressed {
  readonly materializationId: string;
  readonly runner: string;
  /** Milliseconds since the epoch; null: none yet. */
  readonly to: number | null;
  /** Since the progress before. */
  readonly rows: RowCounts;
  /** The first of the rejected rows. */
  readonly rejected: readonly RejectedRow[];
}

export interface MaterializationFinished {
  readonly materializationId: string;
  readonly runner: string;
}

export interface MaterializationFailed {
  readonly materializationId: string;
  readonly code: string;
  readonly message: string;
}

export interface MaterializationCancelled {
  readonly materializationId: string;
}

export type MaterializationEvent =
  | Event<'MaterializationStarted', MaterializationStarted>
  | Event<'MaterializationTakenOver', MaterializationTakenOver>
  | Event<'MaterializationProgressed', MaterializationProgressed>
  | Event<'MaterializationFinished', MaterializationFinished>
  | Event<'MaterializationFailed', MaterializationFailed>
  | Event<'MaterializationCancelled', MaterializationCancelled>;
