import { parseColumnType, type ColumnType, type Value } from './column-type.js';
import type { FeatureServiceDefinition } from './definitions.js';
import { invalidDefinition } from './source-plan.js';
import type { ViewPlan } from './view-plan.js';

export interface ServiceFeature {
  readonly view: ViewPlan;
  /** Index in the view's features. */
  readonly feature: number;
  readonly name: string;
}

/** What a reader needs for one request: features in the order asked for, and the views they come from, each once. */
export interface ServicePlan {
  readonly features: readonly ServiceFeature[];
  readonly views: readonly ViewPlan[];
  /** All join keys of the views, each once, in the order met. */
  readonly joinKeys: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly request: readonly { readonly name: string; readonly type: ColumnType }[];
}

/** Splits `view` or `view:feature`. */
export function parseFeatureReference(text: string): { view: string; feature: string | undefined } {
  const colon = text.indexOf(':');
  return colon < 0 ? { view: text, feature: undefined } : { view: text.slice(0, colon), feature: text.slice(colon + 1) };
}

/** Resolves a feature service against the compiled views. Throws `MR_FEATURES_DEFINITION` naming what is missing. */
export function compileFeatureService(definition: FeatureServiceDefinition, views: ReadonlyMap<string, ViewPlan>): ServicePlan {
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
  return { ...servicePlan(features), request };
}

/** A plan for features picked one by one. */
export function servicePlan(features: readonly ServiceFeature[]): ServicePlan {
  const views = [...new Set(features.map((feature) => feature.view))];
  const joinKeys = new Map<string, ColumnType>();
  for (const view of views) for (const key of view.joinKeys) if (!joinKeys.has(key.name)) joinKeys.set(key.name, key.type);
  return { features, views, joinKeys: [...joinKeys].map(([name, type]) => ({ name, type })), request: [] };
}

/** What features are called in a model's vector: by their names, or `<view>__<name>` where two views have one of the same name. */
export function servedNames(features: readonly { readonly view: string; readonly name: string }[]): string[] {
  const counts = new Map<string, number>();
  for (const { name } of features) counts.set(name, (counts.get(name) ?? 0) + 1);
  return features.map(({ view, name }) => (counts.get(name) === 1 ? name : `${view}__${name}`));
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
  else if (typeof given === 'bigint') given = given.toString();
  const value = type.parse(given);
  return value === null ? undefined : value;
}
