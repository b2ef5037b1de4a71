import { Fault } from '@millrace/kernel';
import { COLUMN_TYPES, parseColumnType, type ColumnType } from './column-type.js';
import type { SourceDefinition } from './definitions.js';

export interface SourceColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** A source's definition, checked and numbered: columns are addressed by index from here on. */
export interface SourcePlan {
  readonly name: string;
  readonly topic: string;
  readonly columns: readonly SourceColumn[];
  readonly columnIndex: ReadonlyMap<string, number>;
  readonly eventTime: number;
  /** -1: events have no id. */
  readonly eventId: number;
  /** A correction may move an event in time. */
  readonly movesEvents: boolean;
  /** Columns of the record key; empty when the source declares none. */
  readonly key: readonly number[];
}

/** Where in a definition something is wrong: a field of it, or of one of its features. */
export interface DefinitionPlace {
  readonly feature?: string;
  readonly field: string;
}

/** A definition that cannot be compiled: the text says which field and why. Not retryable; the definition has to change. */
export function invalidDefinition(message: string, place?: DefinitionPlace): Fault {
  return new Fault('MR_FEATURES_DEFINITION', message, false, place ? { details: { ...place } } : {});
}

const COLUMN_NAME = /^[A-Za-z][A-Za-z0-9_]{0,127}$/;
/** `_time`-like names are the offline table's own. */
export function compileSource(definition: SourceDefinition): SourcePlan {
  const where = `source ${definition.name}`;
  const columns = Object.entries(definition.schema).map(([name, text]) => {
    if (!COLUMN_NAME.test(name))
      throw invalidDefinition(`${where}: column ${JSON.stringify(name)} must be a letter, then letters, digits or _`);
    const type = parseColumnType(text);
    if (!type) throw invalidDefinition(`${where}: type ${JSON.stringify(text)} of column ${name} is not one of ${COLUMN_TYPES}`);
    return { name, type };
  });
  const columnIndex = new Map(columns.map((column, index) => [column.name, index]));
  const find = (name: string, field: string): number => {
    const index = columnIndex.get(name);
    if (index === undefined) throw invalidDefinition(`${where}: ${field} names column ${name}, which its schema does not have`);
    return index;
  };
  const eventTime = find(definition.eventTime, 'eventTime');
  const timeType = (columns[eventTime] as SourceColumn).type;
  if (!timeType.isTime || timeType.nullable) {
    throw invalidDefinition(`${where}: eventTime ${definition.eventTime} must be a Date, DateTime or DateTime64 that is not Nullable`);
  }
  const eventId = definition.eventId === undefined ? -1 : find(definition.eventId, 'eventId');
  if (eventId >= 0) {
    const type = (columns[eventId] as SourceColumn).type;
    if (type.nullable || !(type.kind === 'string' || type.isInteger)) {
      throw invalidDefinition(`${where}: eventId ${String(definition.eventId)} must be a String or an integer that is not Nullable`);
    }
  }
  const movesEvents = definition.corrections === 'times';
  if (movesEvents && eventId < 0) throw invalidDefinition(`${where}: corrections of times need an eventId, which says what is corrected`);
  const key = (definition.key ?? []).map((name) => find(name, 'key'));
  for (const index of key) {
    const column = columns[index] as SourceColumn;
    if (column.type.nullable) throw invalidDefinition(`${where}: key column ${column.name} must not be Nullable`);
  }
  return { name: definition.name, topic: definition.topic, columns, columnIndex, eventTime, eventId, movesEvents, key };
}
