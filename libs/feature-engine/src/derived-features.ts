import { parseColumnType, type ColumnType, type Value } from './column-type.js';
import type { FeatureDefinition } from './definitions.js';
import { invalidDefinition } from './source-plan.js';
import { ASKED_AT, ASKED_AT_COLUMN, featureExpression, type FeatureExpression } from './view-expression.js';
import type { DerivedFeature, PlanColumn, PlanFeature, ViewPlan } from './view-plan.js';

/** The features that are expressions over the others, by their place. They are computed with the view, and so the same wherever its values are. */
export function compileDerived(
  where: string,
  definitions: readonly FeatureDefinition[],
  features: readonly PlanFeature[],
  columns: readonly PlanColumn[],
): Map<number, DerivedFeature> {
  const derived = new Map<number, DerivedFeature>();
  const inputs = features.flatMap((feature, index) => (feature.aggregate === 'expression' ? [] : [{ index, name: feature.name }]));
  const scope = [...inputs.map(({ index, name }) => ({ name, type: heldType(features[index] as PlanFeature, columns) })), ASKED_AT_COLUMN];
  for (const [index, { name, expression: text }] of definitions.entries()) {
    if (features[index]?.aggregate !== 'expression' || text === undefined) continue;
    if (inputs.some((input) => input.name === ASKED_AT))
      throw invalidDefinition(`${where}: a feature may not be called ${ASKED_AT} beside expressions, in which that is the time asked for`, {
        feature: ASKED_AT,
        field: 'name',
      });
    const { expression, type, evaluate } = featureExpression(where, name, text, scope, 'feature');
    derived.set(index, {
      feature: index,
      text,
      type,
      held: expression.type === 'int' ? HELD_AS_DOUBLE : type,
      inputs: expression.columns.flatMap((place) => inputs[place]?.index ?? []),
      evaluate: evaluator(evaluate, inputs),
    });
  }
  return derived;
}

function evaluator(evaluate: FeatureExpression['evaluate'], inputs: readonly { readonly index: number }[]): DerivedFeature['evaluate'] {
  return (values, at) => {
    const value = (place: number): Value => {
      const input = inputs[place];
      return input ? (values[input.index] as Value) : at;
    };
    return evaluate({ value });
  };
}

/** A whole number held as a double, whatever its type is called. */
const HELD_AS_DOUBLE = 'Int32';

/** The type of a view's feature as its values are held, for an expression that reads it. */
export function heldTypeOf(plan: ViewPlan, index: number): ColumnType {
  const derived = plan.derived.find((item) => item.feature === index);
  return derived ? (parseColumnType(derived.held) as ColumnType) : heldType(plan.features[index] as PlanFeature, plan.columns);
}

/** A feature's type as its values are held: counts, and sums of columns of 32 bits and less, are Int64 and held as doubles. */
function heldType(feature: PlanFeature, columns: readonly PlanColumn[]): ColumnType {
  const isCounted = feature.aggregate === 'count' || feature.aggregate === 'count_distinct';
  const isDouble = isCounted || (feature.aggregate === 'sum' && columns[feature.column]?.kind === 'number' && feature.type === 'Int64');
  return parseColumnType(isDouble ? HELD_AS_DOUBLE : feature.type) as ColumnType;
}
