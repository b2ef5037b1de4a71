import { invalid } from '../domain/refusal.js';
import { elementsOf, type Tensor } from '../domain/tensor/tensor.js';
import type { EntityValue, FeatureInput, FeatureServiceShape, FeatureValue } from './feature-vectors.js';

/** A request by entity keys, turned from columns into rows. */
export interface EntityRows {
  readonly entities: readonly Readonly<Record<string, EntityValue>>[];
  /** Request features by row. */
  readonly requests: readonly Readonly<Record<string, FeatureValue>>[];
  /** Features as of this time, milliseconds since the epoch. */
  readonly at: number;
}

/** Datatypes without the digits for milliseconds since the epoch. */
const ROUND_TIMES: ReadonlySet<string> = new Set(['FP32', 'FP16', 'BF16']);

/** Reads join keys and request features from the request's tensors: each `[N]` or `[N,1]`. `at`: as of when the features are wanted, milliseconds since the epoch. */
export function readEntityRows(shape: FeatureServiceShape, tensors: readonly Tensor[], at: number): EntityRows {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  if (byName.size !== tensors.length) throw invalid('an input is given twice');
  const { joinKeys, requestFeatures } = shape;
  const expected = `give the join keys ${list(joinKeys)}${requestFeatures.length > 0 ? ` and the request features ${list(requestFeatures)}` : ''}`;
  const known = new Set([...joinKeys, ...requestFeatures].map((input) => input.name));
  for (const name of byName.keys()) if (!known.has(name)) throw invalid(`input ${JSON.stringify(name)} is unknown; ${expected}`);
  let count: number | undefined;
  const columnOf = <T>(input: FeatureInput<T>): Column<T> => {
    const tensor = byName.get(input.name);
    if (!tensor) throw invalid(`input ${JSON.stringify(input.name)} is missing; ${expected}`);
    if (input.type.startsWith('Date') && ROUND_TIMES.has(tensor.datatype))
      throw invalid(
        `input ${JSON.stringify(input.name)}: ${tensor.datatype} holds times to the minute at best; send milliseconds as INT64 or FP64, or texts in ISO 8601 as BYTES`,
      );
    const rows = elementsOf(tensor.shape);
    if (rows !== (tensor.shape[0] ?? 1))
      throw invalid(`input ${JSON.stringify(input.name)} has shape [${tensor.shape.join(',')}]; expected [N] or [N,1]`);
    count ??= rows;
    if (rows !== count) throw invalid(`input ${JSON.stringify(input.name)} has ${rows} rows and another has ${count}`);
    return { name: input.name, values: valuesOf(tensor).map((value, row) => parsed(input, value, row)) };
  };
  const keys = joinKeys.map(columnOf);
  const requests = requestFeatures.map(columnOf);
  const rows = Array.from({ length: count ?? 0 }, (_, index) => index);
  return {
    entities: rows.map((index) => rowAt(keys, index)),
    requests: rows.map((index) => rowAt(requests, index)),
    at,
  };
}

interface Column<T> {
  readonly name: string;
  readonly values: readonly T[];
}

function rowAt<T>(columns: readonly Column<T>[], row: number): Record<string, T> {
  return Object.fromEntries(columns.map(({ name, values }) => [name, values[row] as T]));
}

function parsed<T>(input: FeatureInput<T>, value: FeatureValue, row: number): T {
  const result = input.parse(value);
  if (result === undefined)
    throw invalid(
      `input ${JSON.stringify(input.name)}: ${value === null ? 'nothing' : String(value)} in row ${row} is not a value of ${input.type}`,
    );
  return result;
}

function valuesOf(tensor: Tensor): FeatureValue[] {
  if (Array.isArray(tensor.data)) return tensor.data;
  return Array.from(tensor.data as Iterable<number | bigint>, (value) => {
    if (tensor.datatype === 'BOOL') return value !== 0;
    return typeof value === 'number' && Number.isNaN(value) ? null : value;
  });
}

/** The request's parameter `event_time` (ISO 8601 or milliseconds), in milliseconds since the epoch; `null` where it has none. */
export function eventTimeOf({ event_time: value }: Readonly<Record<string, string | number | boolean>>): number | null {
  if (value === undefined) return null;
  const time =
    typeof value === 'number' ? value : typeof value === 'string' ? (/^\d+$/.test(value) ? Number(value) : Date.parse(value)) : NaN;
  if (!Number.isFinite(time))
    throw invalid(`parameter "event_time" is ${JSON.stringify(value)}; expected ISO 8601 or milliseconds since the epoch`);
  return time;
}

function list(inputs: readonly { readonly name: string }[]): string {
  return inputs.map(({ name }) => JSON.stringify(name)).join(', ');
}
