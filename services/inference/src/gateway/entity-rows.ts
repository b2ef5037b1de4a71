import { invalid } from '../domain/refusal.js';
import { elementsOf, type Tensor } from '../domain/tensor/tensor.js';
import type { EntityValue, FeatureServiceShape, FeatureValue } from './feature-vectors.js';

/** A request by entity keys, turned from columns into rows. */
export interface EntityRows {
  readonly entities: readonly Readonly<Record<string, EntityValue>>[];
  /** Request features by row. */
  readonly requests: readonly Readonly<Record<string, FeatureValue>>[];
  /** Features as of this time, milliseconds since the epoch. */
  readonly at: number;
}

/** Reads join keys and request features from the request's tensors: each `[N]` or `[N,1]`. `event_time` (ISO 8601 or milliseconds) sets the time. */
export function readEntityRows(
  shape: FeatureServiceShape,
  tensors: readonly Tensor[],
  parameters: Readonly<Record<string, string | number | boolean>>,
  now: number,
): EntityRows {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  if (byName.size !== tensors.length) throw invalid('an input is given twice');
  const expected = `give the join keys ${list(shape.joinKeys)}${shape.requestFeatures.length > 0 ? ` and the request features ${list(shape.requestFeatures)}` : ''}`;
  for (const name of byName.keys()) {
    if (!shape.joinKeys.includes(name) && !shape.requestFeatures.includes(name))
      throw invalid(`input ${JSON.stringify(name)} is unknown; ${expected}`);
  }
  let count: number | undefined;
  const columns = [...shape.joinKeys, ...shape.requestFeatures].map((name) => {
    const tensor = byName.get(name);
    if (!tensor) throw invalid(`input ${JSON.stringify(name)} is missing; ${expected}`);
    const rows = elementsOf(tensor.shape);
    if (rows !== (tensor.shape[0] ?? 1))
      throw invalid(`input ${JSON.stringify(name)} has shape [${tensor.shape.join(',')}]; expected [N] or [N,1]`);
    count ??= rows;
    if (rows !== count) throw invalid(`input ${JSON.stringify(name)} has ${rows} rows and another has ${count}`);
    return { name, values: valuesOf(tensor) };
  });
  const keys = columns.slice(0, shape.joinKeys.length);
  const requests = columns.slice(shape.joinKeys.length);
  const row = <T>(items: readonly { name: string; values: readonly T[] }[], index: number): Record<string, T> =>
    Object.fromEntries(items.map(({ name, values }) => [name, values[index] as T]));
  const rows = Array.from({ length: count ?? 0 }, (_, index) => index);
  for (const { name, values } of keys) {
    const missing = values.indexOf(null);
    if (missing >= 0) throw invalid(`input ${JSON.stringify(name)}: row ${missing} has no value; a join key must have one`);
  }
  return {
    entities: rows.map((index) => row(keys as { name: string; values: EntityValue[] }[], index)),
    requests: rows.map((index) => row(requests, index)),
    at: timeOf(parameters['event_time'], now),
  };
}

function valuesOf(tensor: Tensor): FeatureValue[] {
  if (Array.isArray(tensor.data)) return tensor.data;
  return Array.from(tensor.data as Iterable<number | bigint>, (value) => {
    if (tensor.datatype === 'BOOL') return value !== 0;
    if (typeof value !== 'bigint') return Number.isNaN(value) ? null : value;
    if (!Number.isSafeInteger(Number(value)))
      throw invalid(`input ${JSON.stringify(tensor.name)}: ${value} does not fit a double; send it as BYTES`);
    return Number(value);
  });
}

function timeOf(value: string | number | boolean | undefined, now: number): number {
  if (value === undefined) return now;
  const time =
    typeof value === 'number' ? value : typeof value === 'string' ? (/^\d+$/.test(value) ? Number(value) : Date.parse(value)) : NaN;
  if (!Number.isFinite(time))
    throw invalid(`parameter "event_time" is ${JSON.stringify(value)}; expected ISO 8601 or milliseconds since the epoch`);
  return time;
}

function list(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
