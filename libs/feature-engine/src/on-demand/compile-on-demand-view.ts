import { createHash } from 'node:crypto';
import { canonical } from '@millrace/kernel';
import { COLUMN_TYPES, parseColumnType, type ColumnType, type Value } from '../column-type.js';
import type { FeatureDefinition, OnDemandViewDefinition } from '../definitions.js';
import { heldTypeOf } from '../derived-features.js';
import type { ExpressionRow } from '../expression/compile-expression.js';
import { checkExpressionAlone, checkFeatureName } from '../plan-features.js';
import { parseFeatureReference, servedNames } from '../service-names.js';
import { invalidDefinition } from '../source-plan.js';
import { ASKED_AT, ASKED_AT_COLUMN, featureExpression } from '../view-expression.js';
import type { ViewPlan } from '../view-plan.js';

/** A feature of another view that expressions may use. */
export interface OnDemandInput {
  /** As expressions call it. */
  readonly name: string;
  readonly view: ViewPlan;
  /** Index in the view's features. */
  readonly feature: number;
}

/** What a caller brings along: a name and its type. */
export interface RequestField {
  readonly name: string;
  readonly type: ColumnType;
}

/** A value computed from others when it is asked for. */
export interface OnDemandFeature {
  readonly name: string;
  /** Type of its values, in ClickHouse's words. */
  readonly type: string;
  readonly text: string;
  /** Places in the scope that it reads: inputs first, then request fields, last the time asked for. */
  readonly places: readonly number[];
  readonly evaluate: (row: ExpressionRow) => Value;
}

/** A view without state: every value is an expression over features of other views and over what the caller brings. */
export interface OnDemandPlan {
  readonly name: string;
  readonly inputs: readonly OnDemandInput[];
  readonly request: readonly RequestField[];
  readonly features: readonly OnDemandFeature[];
  /** Names the whole definition, with those of the views it reads. */
  readonly version: string;
}

/** The names an on-demand view's expressions may use. */
export interface OnDemandScope {
  readonly inputs: readonly OnDemandInput[];
  readonly request: readonly RequestField[];
  /** In the order of the places: inputs, request fields, `asked_at`. */
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
}

/** Finds the views that inputs name. */
export type FindView = (reference: string) => ViewPlan | undefined;

/** Checks an on-demand view against the views it reads. Throws `MR_FEATURES_DEFINITION`, which names what is wrong. */
export function compileOnDemandView(definition: OnDemandViewDefinition, find: FindView): OnDemandPlan {
  const where = `feature view ${definition.name}`;
  const scope = compileScope(definition, find);
  if (definition.features.length === 0) throw invalidDefinition(`${where}: it has no features`);
  const features = definition.features.map((feature) => compileOnDemandFeature(where, feature, scope));
  const names = new Set(features.map((feature) => feature.name));
  if (names.size !== features.length) throw invalidDefinition(`${where}: two features have one name`);
  const content = {
    inputs: scope.inputs.map(({ name, view, feature }) => [name, view.version, view.features[feature]?.name]),
    request: scope.request.map(({ name, type }) => [name, type.name]),
    features: features.map(({ name, text, type }) => ({ name, expression: text, type })),
  };
  const version = createHash('sha256').update(canonical(content)).digest('hex');
  return { name: definition.name, inputs: scope.inputs, request: scope.request, features, version };
}

/** The names of an on-demand view, checked against one another. */
export function compileScope(
  { name, inputs: references = [], pins = {}, request = {} }: Omit<OnDemandViewDefinition, 'features'>,
  find: FindView,
): OnDemandScope {
  const where = `feature view ${name}`;
  // One feature may be named by itself and with its whole view; it is one input.
  const found = new Map<string, { readonly view: string; readonly plan: ViewPlan; readonly feature: number }>();
  for (const reference of references) {
    const { view, feature } = parseFeatureReference(reference);
    const plan = find(pins[view] ?? view);
    if (!plan) throw invalidDefinition(`${where}: there is no feature view ${view} to compute from`);
    const index = feature === undefined ? -1 : plan.features.findIndex((item) => item.name === feature);
    if (feature !== undefined && index < 0) throw invalidDefinition(`${where}: feature view ${view} has no feature ${feature}`);
    for (const place of feature === undefined ? plan.features.keys() : [index])
      found.set(`${view}:${place}`, { view, plan, feature: place });
  }
  const items = [...found.values()];
  const called = servedNames(items.map(({ view, plan, feature }) => ({ view, name: plan.features[feature]?.name ?? '' })));
  const inputs = items.map(({ plan, feature }, index): OnDemandInput => ({ name: called[index] as string, view: plan, feature }));
  const fields = Object.entries(request).map(([field, text]): RequestField => {
    const type = parseColumnType(text);
    if (!type) throw invalidDefinition(`${where}: request field ${field} has the type ${text}, which is not one of ${COLUMN_TYPES}`);
    return { name: field, type };
  });
  if (items.length + fields.length === 0) throw invalidDefinition(`${where}: it has neither inputs nor request fields to compute from`);
  const taken = new Map(inputs.map((input) => [input.name, `an input from feature view ${input.view.name}`]));
  for (const { view } of inputs) for (const key of view.joinKeys) taken.set(key.name, `a join key of feature view ${view.name}`);
  for (const { name: field } of fields) {
    const other = taken.get(field);
    if (other !== undefined) throw invalidDefinition(`${where}: request field ${field} is also ${other}; call it otherwise`);
  }
  if (taken.has(ASKED_AT) || fields.some((field) => field.name === ASKED_AT))
    throw invalidDefinition(`${where}: nothing it reads may be called ${ASKED_AT}, which is the time asked for`);
  const columns = [
    ...inputs.map((input) => ({ name: input.name, type: heldTypeOf(input.view, input.feature) })),
    ...fields,
    ASKED_AT_COLUMN,
  ];
  return { inputs, request: fields, columns };
}

/** One feature of an on-demand view; what is wrong with it is said of `where`. */
export function compileOnDemandFeature(where: string, feature: FeatureDefinition, scope: OnDemandScope): OnDemandFeature {
  const { name, expression: text } = feature;
  if (text === undefined)
    throw invalidDefinition(`${where}: feature ${name} needs an expression; a view without a source computes no aggregates`);
  checkExpressionAlone(where, feature);
  const keys = scope.inputs.flatMap(({ view }) => view.joinKeys.map((key) => key.name));
  if (scope.request.some((field) => field.name === name))
    throw invalidDefinition(`${where}: ${name} is a feature and a request field; call one otherwise`);
  if (keys.includes(name)) throw invalidDefinition(`${where}: ${name} is a feature and a join key; call the feature otherwise`);
  checkFeatureName(where, name);
  const { expression, type, evaluate } = featureExpression(where, name, text, scope.columns, 'input');
  return { name, type, text, places: expression.columns, evaluate };
}
