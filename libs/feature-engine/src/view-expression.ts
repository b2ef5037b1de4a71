import { isFault } from '@millrace/kernel';
import { parseColumnType, type ColumnType, type Value } from './column-type.js';
import { compileExpression, type Expression, type ExpressionRow } from './expression/compile-expression.js';
import { invalidDefinition, type DefinitionPlace } from './source-plan.js';

/** In an expression: the time that is asked for. */
export const ASKED_AT = 'asked_at';
export const ASKED_AT_COLUMN = { name: ASKED_AT, type: parseColumnType('DateTime64(3)') as ColumnType };

/** An expression of a view's definition; what is wrong with it is said of the place it stands at. */
export function viewExpression(where: string, at: DefinitionPlace, ...of: Parameters<typeof compileExpression>): Expression {
  try {
    return compileExpression(...of);
  } catch (error) {
    if (isFault(error)) throw invalidDefinition(`${where}: ${error.message}`, at);
    throw error;
  }
}

/** An expression whose values are a feature. */
export interface FeatureExpression {
  readonly expression: Expression;
  /** Of its values, in ClickHouse's words. */
  readonly type: string;
  readonly evaluate: (row: ExpressionRow) => Value;
}

export function featureExpression(where: string, name: string, ...of: Parameters<typeof compileExpression>): FeatureExpression {
  const place = `${where}: expression of ${name}`;
  const at = { feature: name, field: 'expression' };
  const expression = viewExpression(place, at, ...of);
  if (expression.columnType === undefined) throw invalidDefinition(`${place} is always null`, at);
  return { expression, type: expression.columnType, evaluate: held(expression) };
}

/** Truth is held as a number, as of any column. */
function held({ type, evaluate }: Expression): FeatureExpression['evaluate'] {
  if (type !== 'bool') return evaluate as FeatureExpression['evaluate'];
  return (row) => {
    const result = evaluate(row);
    return result === null ? null : result === true ? 1 : 0;
  };
}
