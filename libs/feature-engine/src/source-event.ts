import type { ColumnType, Value } from './column-type.js';
import { readFlatJson } from './flat-json.js';
import { hash64, hash64Halves } from './hash64.js';
import type { SourcePlan } from './source-plan.js';

/** An event of a source, decoded: values by the source's column index. */
export interface SourceEvent {
  readonly partition: number;
  readonly offset: number;
  /** Event time, milliseconds since the epoch. */
  readonly time: number;
  /** 64-bit hash of the event id; both 0 when the source has no ids. */
  readonly idHigh: number;
  readonly idLow: number;
  readonly values: readonly Value[];
}

export type DecodedEvent = { readonly ok: true; readonly value: SourceEvent } | { readonly ok: false; readonly reason: string };

/** Reads one parsed JSON object as an event of the source, or says which field is wrong. Unknown fields are ignored. */
export function readSourceEvent(source: SourcePlan, json: unknown, partition: number, offset: number): DecodedEvent {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return { ok: false, reason: 'the event is not a JSON object' };
  const fields = json as Readonly<Record<string, unknown>>;
  return eventOf(
    source,
    source.columns.map(({ name }) => fields[name]),
    partition,
    offset,
  );
}

/**
 * Reads the bytes of one JSON object without parsing them into one, where they are as plain as most events are; `undefined`: they have to be
 * parsed. The event is the same either way.
 */
export function readPlainSourceEvent(source: SourcePlan, bytes: Buffer, partition: number, offset: number): DecodedEvent | undefined {
  // As Latin-1, because that costs least: text that is not ASCII is left to the parser.
  const fields = readFlatJson(source, bytes.toString('latin1'));
  return fields && eventOf(source, fields, partition, offset);
}

/** `fields` by the source's column index; becomes the event's values. */
function eventOf(source: SourcePlan, fields: unknown[], partition: number, offset: number): DecodedEvent {
  const { columns } = source;
  const values = fields as Value[];
  for (let index = 0; index < columns.length; index++) {
    const { name, type } = columns[index] as (typeof columns)[number];
    const field = fields[index];
    if (field === null || field === undefined) {
      if (!type.nullable) return { ok: false, reason: `field ${name} is ${field === null ? 'null' : 'missing'}; it must be ${type.name}` };
      values[index] = null;
      continue;
    }
    const value = type.parse(field);
    if (value === undefined) return { ok: false, reason: `field ${name} is ${show(field, type)}; it must be ${type.name}` };
    values[index] = value;
  }
  const time = values[source.eventTime] as number;
  let idHigh = 0;
  let idLow = 0;
  if (source.eventId >= 0) {
    const id = values[source.eventId] as Exclude<Value, null>;
    hash64(typeof id === 'string' ? id : String(id));
    idHigh = hash64Halves[0] as number;
    idLow = hash64Halves[1] as number;
  }
  return { ok: true, value: { partition, offset, time, idHigh, idLow, values } };
}

function show(field: unknown, { kind }: ColumnType): string {
  const text = typeof field === 'bigint' ? field.toString() : JSON.stringify(field);
  // Digits are missing already, so that showing what is left would mislead.
  if (kind === 'bigint' && typeof field === 'number' && Number.isInteger(field))
    return 'a number beyond 2^53, of which not all digits may be left, so write it as text';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
