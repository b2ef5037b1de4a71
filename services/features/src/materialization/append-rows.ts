import type { SourcePlan, Value } from '@millrace/feature-engine';
import type { OfflineStore, ScratchTables } from '@millrace/offline-store';
import { MOST_REJECTED_SHOWN } from '../domain/materialization/materialization.decider.js';
import type { RejectedRow, RowCounts } from '../domain/materialization/materialization.events.js';
import type { EventIntake, GivenEvent } from '../sources/event-intake.js';
import type { SourceReader } from '../sources/source-record.js';
import { computedId, fieldsOfRow } from './batch-event.js';
import type { StagedRow } from './staged-rows.js';
import { storedRows } from './stored-rows.js';

export interface AppendHost {
  readonly store: OfflineStore;
  readonly scratch: ScratchTables;
  readonly intake: EventIntake;
  readonly now: () => number;
  readonly maxEventBytes: number;
  /** Resolves when the table of the source's topic holds everything before these offsets. */
  readonly waitForTable: (topic: string, next: readonly number[]) => Promise<void>;
}

export interface AppendedRows {
  readonly rows: RowCounts;
  /** The first of them. */
  readonly rejected: readonly RejectedRow[];
}

interface Candidate {
  readonly row: StagedRow;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly values: readonly Value[];
  readonly bytes: Buffer;
}

/**
 * Appends the rows that the source's table does not have as they are, and waits until it has them. So the same rows again append nothing, and
 * a row that has changed is a later event of the same id: a correction.
 */
export async function appendRows(
  host: AppendHost,
  reader: SourceReader,
  page: readonly StagedRow[],
  { hasComputedId, isTableEmpty }: { readonly hasComputedId: boolean; readonly isTableEmpty: boolean },
): Promise<AppendedRows> {
  const { plan } = reader;
  const rejected: RejectedRow[] = [];
  let rejectedCount = 0;
  const reject = (row: StagedRow, reason: string): void => {
    rejectedCount++;
    if (rejected.length < MOST_REJECTED_SHOWN) rejected.push({ time: row.time, reason });
  };
  const candidates = new Map<string, Candidate>();
  let unchanged = 0;
  for (const row of page) {
    const candidate = candidateOf(host, reader, row, hasComputedId);
    if ('reason' in candidate) {
      reject(row, candidate.reason);
      continue;
    }
    const { id } = candidate;
    const before = candidates.get(id);
    if (before && isSame(before.values, candidate.values)) unchanged++;
    else if (before)
      reject(before.row, `row ${id} is there again with other values; the last of them, in the order of all columns, is taken`);
    candidates.set(id, candidate);
  }
  const stored =
    isTableEmpty || candidates.size === 0 ? new Map<string, readonly Value[]>() : await known(host, plan, candidates, hasComputedId);
  const changed: GivenEvent[] = [];
  for (const [id, { fields, values, bytes }] of candidates) {
    const has = stored.get(id);
    if (has && isSame(has, values)) unchanged++;
    else changed.push({ line: changed.length, fields, value: bytes });
  }
  const { accepted, rejected: refused, rejectedCount: refusedCount, positions } = await host.intake.take(reader, changed, undefined);
  rejectedCount += refusedCount;
  for (const { reason } of refused.slice(0, MOST_REJECTED_SHOWN - rejected.length)) rejected.push({ time: null, reason });
  const next: number[] = [];
  for (const { partition, offset } of positions) next[partition] = offset + 1;
  await host.waitForTable(
    plan.topic,
    Array.from(next, (offset) => offset ?? 0),
  );
  return { rows: { read: page.length, appended: accepted, unchanged, rejected: rejectedCount }, rejected };
}

function candidateOf(
  { now, maxEventBytes }: AppendHost,
  reader: SourceReader,
  row: StagedRow,
  hasComputedId: boolean,
): (Candidate & { readonly id: string }) | { readonly reason: string } {
  const { plan } = reader;
  if (row.unreadable) {
    const { column, bytes } = row.unreadable;
    return { reason: `column ${column} has bytes that are no text in UTF-8 (they begin with ${bytes} in hexadecimal digits)` };
  }
  const idColumn = (plan.columns[plan.eventId] as SourcePlan['columns'][number]).name;
  const fields = fieldsOfRow(plan, row.texts);
  if (hasComputedId) fields[idColumn] = '';
  const read = reader.read(fields, 0, 0, now());
  if (!read.ok) return read;
  const values = [...read.value.values];
  if (hasComputedId) values[plan.eventId] = fields[idColumn] = computedId(plan, read.value);
  const bytes = Buffer.from(JSON.stringify(fields));
  if (bytes.length > maxEventBytes)
    return { reason: `the row is ${bytes.length} bytes long as an event; at most ${maxEventBytes} are taken` };
  return { id: String(values[plan.eventId]), row, fields, values, bytes };
}

function known(
  host: AppendHost,
  plan: SourcePlan,
  candidates: ReadonlyMap<string, Candidate>,
  hasComputedId: boolean,
): Promise<Map<string, readonly Value[]>> {
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { values } of candidates.values()) {
    const time = values[plan.eventTime] as number;
    if (time < from) from = time;
    if (time > to) to = time;
  }
  // A computed id tells the time; a row with an id of its own may have been at another.
  return storedRows(host, plan, [...candidates.keys()], hasComputedId ? { from, to } : undefined);
}

function isSame(a: readonly Value[], b: readonly Value[]): boolean {
  return a.every((value, index) => value === b[index]);
}
