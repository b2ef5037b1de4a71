import type { SourcePlan } from '@millrace/feature-engine';
import { quoteIdentifier, quoteTable } from '@millrace/offline-store';
import { columnType, sourceTable } from '../sources/source-table.js';
import { createView, type ViewColumn } from './create-view.js';

export const EVENTS_PREFIX = 'events_';

const POSITION: readonly ViewColumn[] = [
  { name: '_event_time', type: "DateTime64(3, 'UTC')", comment: 'When it happened, from the event itself.' },
  { name: '_appended', type: "DateTime64(3, 'UTC')", comment: 'When its record came to the log.' },
  { name: '_topic', type: 'LowCardinality(String)', comment: 'Where in the log it is: topic, partition and offset.' },
  { name: '_partition', type: 'UInt32', comment: 'Partition of the topic.' },
  { name: '_offset', type: 'UInt64', comment: 'Offset in the partition.' },
];

/** The statement that makes `millrace.events_<source>`: of the events with one id the last in the log, with their place in it. */
export function eventsView(plan: SourcePlan): string {
  const columns = plan.columns.map(({ name, type }, index): ViewColumn => {
    const role =
      index === plan.eventTime
        ? 'Event time.'
        : index === plan.eventId
          ? 'Event id.'
          : plan.key.includes(index)
            ? "Part of the record's key."
            : '';
    return { name, type: columnType(type.name, type.nullable), comment: role };
  });
  const all = [...columns, ...POSITION];
  const id = plan.columns[plan.eventId]?.name;
  const standing = id === undefined ? '' : ` ORDER BY _partition DESC, _offset DESC LIMIT 1 BY ${quoteIdentifier(id)}`;
  const select = `SELECT ${all.map(({ name }) => quoteIdentifier(name)).join(', ')} FROM ${quoteTable(sourceTable(plan.name))} FINAL${standing}`;
  const about = id === undefined ? 'Events' : `Events, of each ${id} the last in the log,`;
  return createView(`millrace.${EVENTS_PREFIX}${plan.name}`, all, select, `${about} of source ${plan.name}.`);
}
