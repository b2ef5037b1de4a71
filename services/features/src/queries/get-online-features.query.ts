import {
  type OnlineReader,
  parseFeatureReference,
  parseKeyValue,
  parseRequestValue,
  servicePlan,
  type EntityRow,
  type FeatureVectors,
  type ServedView,
  type ServiceFeature,
  type ServicePlan,
  type Value,
} from '@millrace/feature-engine';
import { isFault } from '@millrace/kernel';
import type { ReadLogRules } from '../reads/read-log.js';

/** Join key (or entity name) -> values, and request field -> values, all of one length. */
export type EntityColumns = Readonly<Record<string, readonly unknown[]>>;

export interface OnlineFeatures {
  readonly joinKeys: readonly { readonly name: string; readonly type: string; readonly values: readonly Value[] }[];
  /** What came for each of the plan's request fields; none for what no feature is computed from. */
  readonly request: readonly (readonly Value[])[];
  readonly vectors: FeatureVectors;
  readonly rows: number;
}

/** Why a request cannot be answered. Each protocol says it in its own way. */
export type OnlineFeaturesProblem =
  | { readonly kind: 'no-feature-service'; readonly name: string }
  | { readonly kind: 'no-feature-view'; readonly name: string }
  /** It is there, and is not kept online, as nothing that is applied names it. */
  | { readonly kind: 'version-not-kept'; readonly of: 'feature view' | 'feature service'; readonly name: string }
  | { readonly kind: 'no-feature'; readonly view: string; readonly name: string }
  /** The view has it as it is applied, and stands for an earlier version until its state is up. */
  | { readonly kind: 'being-filled'; readonly view: string; readonly name: string }
  | { readonly kind: 'no-features' }
  | { readonly kind: 'no-reference'; readonly reference: string }
  | { readonly kind: 'request-conflict'; readonly message: string }
  | { readonly kind: 'not-online'; readonly view: string }
  | { readonly kind: 'missing-join-key'; readonly name: string }
  | { readonly kind: 'missing-request'; readonly names: readonly string[] }
  | {
      readonly kind: 'bad-value';
      readonly of: 'join key' | 'request field';
      readonly name: string;
      readonly row: number;
      readonly type: string;
    }
  | {
      readonly kind: 'ragged';
      readonly of: 'join key' | 'request field';
      readonly name: string;
      readonly length: number;
      readonly expected: number;
    }
  | { readonly kind: 'too-many-rows'; readonly rows: number; readonly most: number };

/** What the query needs to know of what is defined. */
export interface OnlineCatalog {
  view(name: string): ServedView | undefined;
  service(name: string): ServicePlan | undefined;
  /** What of reads of the service is logged; `undefined` for nothing. */
  readLog(name: string): ReadLogRules | undefined;
  /** Whether the view has a feature that what it stands for now does not have. */
  isBeingFilled(view: string, feature: string): boolean;
  /** Whether there is such a version, though it may not be kept. */
  hasVersion(of: 'feature view' | 'feature service', name: string): boolean;
}

/** Feast writes a version as `@v2`. */
const FEAST_VERSION = /@v(\d+)$/;

/** The features asked for, resolved: a service, or `view:feature` references (`view@2:feature` is that version of the view). */
export function resolveFeatures(
  catalog: OnlineCatalog,
  request: { readonly features?: readonly string[] | undefined; readonly featureService?: string | undefined },
): ServicePlan | OnlineFeaturesProblem {
  if (request.featureService !== undefined) {
    return catalog.service(request.featureService) ?? missing(catalog, 'feature service', request.featureService);
  }
  const features: ServiceFeature[] = [];
  for (const reference of request.features ?? []) {
    const { view: named, feature } = parseFeatureReference(reference);
    const name = named.replace(FEAST_VERSION, '@$1');
    const view = catalog.view(name);
    if (!view) return missing(catalog, 'feature view', name);
    if (feature === undefined) {
      features.push(...view.features.map((item, index) => ({ view, feature: index, name: item.name })));
      continue;
    }
    const index = view.features.findIndex((item) => item.name === feature);
    if (index < 0) return { kind: catalog.isBeingFilled(name, feature) ? 'being-filled' : 'no-feature', view: name, name: feature };
    features.push({ view, feature: index, name: feature });
  }
  if (features.length === 0) return { kind: 'no-features' };
  try {
    return servicePlan(features);
  } catch (error) {
    if (!isFault(error)) throw error;
    return { kind: 'request-conflict', message: error.message };
  }
}

function missing(catalog: OnlineCatalog, of: 'feature view' | 'feature service', name: string): OnlineFeaturesProblem {
  if (catalog.hasVersion(of, name)) return { kind: 'version-not-kept', of, name };
  return { kind: of === 'feature view' ? 'no-feature-view' : 'no-feature-service', name };
}

/** Values of features from the online store, at one time (milliseconds since the epoch), for entity rows given by column. */
export async function getOnlineFeatures(
  reader: OnlineReader,
  plan: ServicePlan,
  entities: EntityColumns,
  at: number,
  mostRows: number,
): Promise<OnlineFeatures | OnlineFeaturesProblem> {
  const offline = plan.views.find((view) => !view.online);
  if (offline) return { kind: 'not-online', view: offline.name };
  const columns = keyColumns(plan, entities, mostRows);
  if ('kind' in columns) return columns;
  const { joinKeys, rows } = columns;
  const request = plan.onDemand.length === 0 ? NO_REQUEST : requestColumns(plan, entities, rows, mostRows);
  if ('kind' in request) return request;
  const told = rows ?? request.rows;
  const vectors = await reader.readVectors(plan, entityRows(joinKeys, told), at, request.values);
  return { joinKeys, request: request.values, vectors, rows: told };
}

type JoinKeyColumn = OnlineFeatures['joinKeys'][number];

function keyColumns(
  plan: ServicePlan,
  entities: EntityColumns,
  mostRows: number,
): { readonly joinKeys: readonly JoinKeyColumn[]; readonly rows: number | undefined } | OnlineFeaturesProblem {
  let rows: number | undefined;
  const joinKeys: JoinKeyColumn[] = [];
  for (const { name, type } of plan.joinKeys) {
    const given = Object.hasOwn(entities, name) ? entities[name] : entityByName(plan, name, entities);
    if (!given) return { kind: 'missing-join-key', name };
    rows ??= given.length;
    if (given.length !== rows) return { kind: 'ragged', of: 'join key', name, length: given.length, expected: rows };
    if (rows > mostRows) return { kind: 'too-many-rows', rows, most: mostRows };
    const values: Value[] = [];
    for (let row = 0; row < rows; row++) {
      const value = parseKeyValue(type, given[row]);
      if (value === undefined) return { kind: 'bad-value', of: 'join key', name, row, type: type.name };
      values.push(value);
    }
    joinKeys.push({ name, type: type.name, values });
  }
  return { joinKeys, rows };
}

interface RequestColumns {
  readonly values: readonly (readonly Value[])[];
  readonly rows: number;
}

const NO_REQUEST: RequestColumns = { values: [], rows: 0 };

/** What on-demand features are computed from besides: columns beside the join keys, in the order of the plan's request. */
function requestColumns(
  { request, onDemand }: ServicePlan,
  entities: EntityColumns,
  keyRows: number | undefined,
  mostRows: number,
): RequestColumns | OnlineFeaturesProblem {
  const isAsked = (name: string): boolean => onDemand.some((view) => view.request.some((field) => field.name === name));
  const missing = request.filter(({ name }) => isAsked(name) && !Object.hasOwn(entities, name)).map(({ name }) => name);
  if (missing.length > 0) return { kind: 'missing-request', names: missing };
  let rows = keyRows;
  const columns: Value[][] = [];
  for (const { name, type } of request) {
    // What the service itself names goes to its model, and not into a feature.
    if (!isAsked(name)) {
      columns.push([]);
      continue;
    }
    const given = entities[name] as readonly unknown[];
    rows ??= given.length;
    if (given.length !== rows) return { kind: 'ragged', of: 'request field', name, length: given.length, expected: rows };
    if (rows > mostRows) return { kind: 'too-many-rows', rows, most: mostRows };
    const values: Value[] = [];
    for (let row = 0; row < rows; row++) {
      const value = parseRequestValue(type, given[row]);
      if (value === undefined) return { kind: 'bad-value', of: 'request field', name, row, type: type.name };
      values.push(value);
    }
    columns.push(values);
  }
  return { values: columns, rows: rows ?? 0 };
}

function entityRows(joinKeys: readonly JoinKeyColumn[], rows: number): EntityRow[] {
  const entities: EntityRow[] = [];
  for (let row = 0; row < rows; row++) {
    const entity: Record<string, Exclude<Value, null>> = {};
    for (const { name, values } of joinKeys) entity[name] = values[row] as Exclude<Value, null>;
    entities.push(entity);
  }
  return entities;
}

/** An entity's own name stands for its join key when it has one only. */
function entityByName(plan: ServicePlan, joinKey: string, entities: EntityColumns): readonly unknown[] | undefined {
  const view = plan.views.find((item) => item.joinKeys.length === 1 && item.joinKeys[0]?.name === joinKey);
  return view && Object.hasOwn(entities, view.entity) ? entities[view.entity] : undefined;
}
