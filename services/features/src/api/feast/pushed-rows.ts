import type { ColumnType, SourcePlan, ViewPlan } from '@millrace/feature-engine';
import type { GivenEvent } from '../../sources/event-intake.js';
import { refusal, type FeastError } from './errors.js';

/** A data frame as Feast's clients send it: column -> values by row. */
export type Frame = Readonly<Record<string, readonly unknown[]>>;

/** What Feast's client calls the time of a row and the time it was made, whatever they are called where they come from. */
const EVENT_TIME = 'event_timestamp';

/** Names under which a frame brings a view's columns: the features' and the join keys'. */
export function viewColumns(view: ViewPlan): ReadonlyMap<string, string> | FeastError {
  const computed = view.features.filter((_, index) => !view.latest.includes(index)).map(({ name }) => name);
  if (computed.length > 0) {
    return refusal(
      `Feature view ${view.name} computes ${computed.join(', ')} from events, so rows of it cannot be written; push the events to ${view.source.name}`,
    );
  }
  const columnOf = new Map(view.joinKeys.map(({ name }) => [name, name]));
  for (const feature of view.features) {
    const column = view.columns[feature.column];
    if (column) columnOf.set(feature.name, column.name);
  }
  return columnOf;
}

/**
 * The events of a frame's rows, each an object with the source's columns. A column that some view reads has to be there, though it may be
 * null: an event without it would overwrite what that view has.
 */
export function frameEvents(
  frame: Frame,
  source: SourcePlan,
  views: readonly ViewPlan[],
  names: ReadonlyMap<string, string>,
): readonly GivenEvent[] | FeastError {
  const given = new Map<string, string>();
  const hasOwnEventTime = source.columnIndex.has(EVENT_TIME);
  const eventTime = source.columns[source.eventTime]?.name as string;
  for (const name of Object.keys(frame)) {
    const column = names.get(name) ?? (name === EVENT_TIME && !hasOwnEventTime ? eventTime : name);
    if (source.columnIndex.has(column)) given.set(column, name);
  }
  const read = new Set(views.flatMap((view) => view.columns.map(({ name }) => name)));
  const missing = source.columns.filter(({ name, type }) => !given.has(name) && (!type.nullable || read.has(name)));
  const rows = Math.max(0, ...Object.values(frame).map((values) => values.length));
  if (missing.length > 0 && rows > 0) {
    return refusal(`df has no column ${missing.map(({ name }) => name).join(', ')}; source ${source.name} needs it`);
  }
  const ragged = Object.entries(frame).find(([, values]) => values.length !== rows);
  if (ragged) return refusal(`Column ${ragged[0]} of df has ${ragged[1].length} values, another has ${rows}`);

  const columns = source.columns.flatMap(({ name, type }) => {
    const from = given.get(name);
    return from === undefined ? [] : [{ name, from, type, values: frame[from] as readonly unknown[] }];
  });
  const events: GivenEvent[] = [];
  for (let row = 0; row < rows; row++) {
    const fields: Record<string, unknown> = {};
    for (const { name, from, type, values } of columns) {
      const value = values[row];
      if (name === eventTime && typeof value !== 'string') {
        return refusal(`Row ${row} of df: ${from} is ${shown(value)}; it must be a time as text, such as 2026-01-31T12:00:00Z`);
      }
      fields[name] = value === null || value === undefined ? null : sourceValue(type, value);
    }
    events.push({ line: row, fields, value: Buffer.from(JSON.stringify(fields)) });
  }
  return events;
}

/** Feast's values as a source has them: a time is seconds since the epoch there, and a long integer keeps its digits as text. */
function sourceValue(type: ColumnType, value: unknown): unknown {
  if (typeof value === 'bigint') return type.kind === 'number' ? Number(value) : value.toString();
  return type.isTime && typeof value === 'number' ? value * 1000 : value;
}

function shown(value: unknown): string {
  return typeof value === 'bigint' ? value.toString() : (JSON.stringify(value) ?? 'missing');
}
