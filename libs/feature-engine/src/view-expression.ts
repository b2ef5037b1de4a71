import { isFault } from '@millrace/kernel';
import { compileExpression, type Expression } from './expression/compile-expression.js';
import { invalidDefinition } from './source-plan.js';

/** An expression of a view's definition; what is wrong with it is said of the place it stands at. */
export function viewExpression(where: string, ...of: Parameters<typeof compileExpression>): Expression {
  try {
    return compileExpression(...of);
  } catch (error) {
    if (isFault(error)) throw invalidDefinition(`${where}: ${error.message}`);
    throw error;
  }
}
