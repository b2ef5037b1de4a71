import { parseColumnType, type ColumnType, type Value } from './column-type.js';
import type { FeatureServiceDefinition } from './definitions.js';
import type { OnDemandFeature, OnDemandPlan, RequestField } from './on-demand/compile-on-demand-view.js';
import { OnDemandColumn } from './on-demand/on-demand-column.js';
import { parseFeatureReference } from './service-names.js';
import { invalidDefinition } from './source-plan.js';
import type { ViewPlan } from './view-plan.js';

/** A view that features can be asked of. */
export type ServedView = ViewPlan | OnDemandPlan;

export interface ServiceFeature {
  readonly view: ServedView;
  /** Index in the view's features. */
  readonly feature: number;
  readonly name: string;
}

/** A feature whose values rest on events alone. */
export interface StoredFeature extends ServiceFeature {
  readonly view: ViewPlan;
}

/** What a reader needs for one request: features in the order asked for, and the views they come from, each once. */
export interface ServicePlan {
  readonly features: readonly ServiceFeature[];
  /** The views that are read: those asked for, and those that on-demand features are computed from. */
  readonly views: readonly ViewPlan[];
  /** All join keys of the views, each once, in the order met. */
  readonly joinKeys: readonly { readonly name: string; readonly type: ColumnType }[];
  /** What the caller brings: what the service names, and what its on-demand views do. */
  readonly request: readonly RequestField[];
  /** The features that are read, each once. Without on-demand features these are `features` themselves. */
  readonly stored: readonly StoredFeature[];
  readonly onDemand: readonly OnDemandPlan[];
  /** Where each of `features` comes from: an index in `stored`, or how it is computed. */
  readonly columns: readonly (number | OnDemandColumn)[];
}

export function isOnDemand(view: ServedView): view is OnDemandPlan {
  return 'inputs' in view;
}

/** Resolves a feature service against the compiled views. Throws `MR_FEATURES_DEFINITION` naming what is missing. */
export function compileFeatureService(definition: FeatureServiceDefinition, views: ReadonlyMap<string, ServedView>): ServicePlan {
  const where = `feature service ${definition.name}`;
  const features = definition.features.flatMap((reference): ServiceFeature[] => {
    const { view: name, feature } = parseFeatureReference(reference);
    const view = views.get(name);
    if (!view) throw invalidDefinition(`${where}: there is no feature view ${name}`);
    if (feature === undefined) return view.features.map((item, index) => ({ view, feature: index, name: item.name }));
    const index = view.features.findIndex((item) => item.name === feature);
    if (index < 0) throw invalidDefinition(`${where}: feature view ${name} has no feature ${feature}`);
    return [{ view, feature: index, name: feature }];
  });
  const request = Object.entries(definition.request ?? {}).map(([name, text]) => {
    const type = parseColumnType(text);
    if (!type) throw invalidDefinition(`${where}: request field ${name} has the unknown type ${text}`);
    return { name, type };
  });
  return servicePlan(features, request);
}

/** A plan for features picked one by one. Throws `MR_FEATURES_DEFINITION` where two views want a request field of different types. */
export function servicePlan(features: readonly ServiceFeature[], own: readonly RequestField[] = []): ServicePlan {
  const onDemand = [...new Set(features.flatMap(({ view }) => (isOnDemand(view) ? [view] : [])))];
  const request = onDemand.length === 0 ? own : unitedRequest(own, onDemand);
  const stored = onDemand.length === 0 ? (features as readonly StoredFeature[]) : storedFeatures(features);
  const views = [...new Set(stored.map((feature) => feature.view))];
  const joinKeys = new Map<string, ColumnType>();
  for (const view of views) for (const key of view.joinKeys) if (!joinKeys.has(key.name)) joinKeys.set(key.name, key.type);
  const columns = features.map(({ view, feature }, index) => {
    if (onDemand.length === 0) return index;
    if (isOnDemand(view)) return onDemandColumn(view, view.features[feature] as OnDemandFeature, stored, request);
    return placeOf(stored, view, feature);
  });
  return { features, views, joinKeys: [...joinKeys].map(([name, type]) => ({ name, type })), request, stored, onDemand, columns };
}

/** The service's own fields and those of its on-demand views, each once. */
function unitedRequest(own: readonly RequestField[], views: readonly OnDemandPlan[]): RequestField[] {
  const fields = new Map(own.map((field) => [field.name, { field, of: 'the feature service' }]));
  for (const view of views) {
    for (const field of view.request) {
      const known = fields.get(field.name);
      if (known && known.field.type.name !== field.type.name) {
        throw invalidDefinition(
          `request field ${field.name} is ${field.type.name} in feature view ${view.name} and ${known.field.type.name} in ${known.of}`,
        );
      }
      if (!known) fields.set(field.name, { field, of: `feature view ${view.name}` });
    }
  }
  return [...fields.values()].map(({ field }) => field);
}

/** What has to be read: features asked for, and those that the on-demand ones among them use. */
function storedFeatures(features: readonly ServiceFeature[]): StoredFeature[] {
  const stored: StoredFeature[] = [];
  const add = (view: ViewPlan, feature: number): void => {
    if (placeOf(stored, view, feature) < 0) stored.push({ view, feature, name: view.features[feature]?.name ?? '' });
  };
  for (const { view, feature } of features) {
    if (!isOnDemand(view)) {
      add(view, feature);
      continue;
    }
    for (const place of view.features[feature]?.places ?? []) {
      const input = view.inputs[place];
      if (input) add(input.view, input.feature);
    }
  }
  return stored;
}

function onDemandColumn(
  view: OnDemandPlan,
  feature: OnDemandFeature,
  stored: readonly StoredFeature[],
  request: readonly RequestField[],
): OnDemandColumn {
  const first = view.inputs.length;
  return new OnDemandColumn({
    view,
    feature,
    stored: feature.places.flatMap((place) => {
      const input = view.inputs[place];
      return input ? [{ place, index: placeOf(stored, input.view, input.feature) }] : [];
    }),
    request: feature.places.flatMap((place) => {
      const field = view.request[place - first];
      return field ? [{ place, index: request.findIndex((item) => item.name === field.name) }] : [];
    }),
  });
}

function placeOf(stored: readonly StoredFeature[], view: ViewPlan, feature: number): number {
  return stored.findIndex((item) => item.view === view && item.feature === feature);
}

/**
 * A join key's value as a caller wrote it, in the key's type: text for a number and a whole number for text are taken for what they
 * mean. `undefined` when the value cannot be one of the type.
 */
export function parseKeyValue(type: ColumnType, json: unknown): Exclude<Value, null> | undefined {
  if (json === null || json === undefined) return undefined;
  let given = json;
  if (type.kind === 'string' && (typeof given === 'number' || typeof given === 'bigint')) given = String(given);
  else if (type.kind === 'number' && typeof given === 'string' && /^-?\d{1,15}$/.test(given)) given = Number(given);
  else if (typeof given === 'bigint') given = wholeNumber(type, given);
  const value = type.parse(given);
  return value === null ? undefined : value;
}

/** A request field's value in its type; `undefined` when it cannot be one. What the caller does not know is null, whatever the type. */
export function parseRequestValue(type: ColumnType, json: unknown): Value | undefined {
  if (json === null) return null;
  return type.parse(typeof json === 'bigint' ? wholeNumber(type, json) : json);
}

/** Integers are parsed with all their digits from text; to any other type a whole number is a number: of a time its milliseconds. */
function wholeNumber({ isInteger, kind }: ColumnType, value: bigint): string | number {
  return isInteger || kind === 'string' ? value.toString() : Number(value);
}
