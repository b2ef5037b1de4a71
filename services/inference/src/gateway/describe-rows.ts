import { JsonText } from '@millrace/event-log';
import { jsonValue } from '@millrace/feature-engine';
import { elementsOf, rowsOf, type Tensor } from '../domain/tensor/tensor.js';
import type { EntityRows } from './entity-rows.js';
import type { FeatureVectors } from './feature-vectors.js';
import type { PredictedRow } from '../domain/prediction/prediction.js';

export interface RowSources {
  readonly units: readonly (string | null)[];
  readonly entityRows: EntityRows | undefined;
  readonly vectors: FeatureVectors | undefined;
  /** The request's own tensors, when it came as tensors. */
  readonly tensors: readonly Tensor[] | undefined;
  /** Of these rows alone, in their order. */
  readonly outputs: readonly Tensor[] | undefined;
  readonly maxElements: number;
  /** Whether whole inputs may be given as the {@link JsonText} they came as: only to who does no more than write them. */
  readonly asSent?: boolean;
}

/** The record of the given rows of a request. */
export function describeRows(rows: readonly number[], sources: RowSources): PredictedRow[] {
  const { units, entityRows, vectors, outputs, asSent = false } = sources;
  const tensors = fits(sources.tensors, sources.maxElements);
  const ownOutputs = fits(outputs, sources.maxElements);
  const splits = (list: readonly Tensor[] | undefined): boolean => list?.every((tensor) => rowsOf(tensor) === units.length) ?? false;
  // Tensors that do not have one row per row of the request are kept whole, with the first row.
  const inputsSplit = splits(tensors);
  const outputsSplit = ownOutputs?.every((tensor) => rowsOf(tensor) === rows.length) ?? false;
  return rows.map((row, index) => ({
    row,
    unit: units[row] ?? null,
    entity: entityRows ? plain(Object.entries(entityRows.entities[row] ?? {})) : null,
    request: entityRows ? plain(Object.entries(entityRows.requests[row] ?? {})) : null,
    features: vectors ? plain(vectors.rows[row] ?? []) : null,
    statuses: vectors?.statuses[row] ?? null,
    inputs: part(tensors, inputsSplit, row, index, asSent),
    outputs: part(ownOutputs, outputsSplit, index, index, false),
  }));
}

function plain<T>(entries: Iterable<readonly [string, T]>): Record<string, Exclude<T, bigint> | string | number> {
  const record: Record<string, Exclude<T, bigint> | string | number> = {};
  for (const [name, value] of entries) record[name] = jsonValue(value) as Exclude<T, bigint> | string | number;
  return record;
}

function part(
  tensors: readonly Tensor[] | undefined,
  isSplit: boolean,
  row: number,
  index: number,
  asSent: boolean,
): Record<string, unknown> | null {
  if (!tensors || (!isSplit && index > 0)) return null;
  return Object.fromEntries(
    tensors.map((tensor) => [tensor.name, isSplit ? rowValue(tensor, row, asSent) : values(tensor, 0, tensor.data.length, asSent)]),
  );
}

/** One row of a tensor: a single value where a row holds one, else a list. */
function rowValue(tensor: Tensor, row: number, asSent: boolean): unknown {
  const width = elementsOf(tensor.shape.slice(1));
  if (width === 1) return tensor.given ? tensor.given[row] : jsonValue<unknown>(tensor.data[row]);
  return values(tensor, row * width, (row + 1) * width, asSent);
}

function values({ data, given, sent }: Tensor, from: number, to: number, asSent: boolean): readonly unknown[] | JsonText {
  const isWhole = from === 0 && to === data.length;
  if (asSent && isWhole && sent !== undefined) return new JsonText(sent);
  if (given) return isWhole ? given : given.slice(from, to);
  const list: unknown[] = [];
  for (let index = from; index < to; index++) list.push(jsonValue<unknown>(data[index]));
  return list;
}

function fits(tensors: readonly Tensor[] | undefined, maxElements: number): readonly Tensor[] | undefined {
  const elements = tensors?.reduce((sum, tensor) => sum + tensor.data.length, 0) ?? 0;
  return elements <= maxElements ? tensors : undefined;
}
