import type { Value } from '../column-type.js';
import type { ExpressionRow } from '../expression/compile-expression.js';
import type { FeatureColumn, FeatureVectors } from '../online-reader.js';
import type { ServicePlan } from '../service-plan.js';
import { Status } from '../status.js';
import type { OnDemandFeature, OnDemandPlan } from './compile-on-demand-view.js';

/** A feature computed on demand, and where in a service's plan what it reads is. */
export interface OnDemandColumn {
  readonly view: OnDemandPlan;
  readonly feature: OnDemandFeature;
  /** Of the features it reads: place in the scope, index in the plan's `stored`. */
  readonly stored: readonly { readonly place: number; readonly index: number }[];
  /** Of the request fields it reads: place in the scope, index in the plan's `request`. */
  readonly request: readonly { readonly place: number; readonly index: number }[];
  /** Place of the time asked for. */
  readonly askedAt: number;
}

/** Computes one feature row by row: the only place where that is done, online and offline. Missing values are null to the expression. */
export class OnDemandEvaluator {
  readonly #column: OnDemandColumn;
  readonly #scope: Value[];
  readonly #row: ExpressionRow;

  constructor(column: OnDemandColumn) {
    this.#column = column;
    const scope = new Array<Value>(column.askedAt + 1).fill(null);
    this.#scope = scope;
    this.#row = { value: (place) => scope[place] as Value };
  }

  /** `stored`: by the plan's stored features; `request`: by its request fields; `at` in milliseconds since the epoch. */
  value(stored: readonly Value[], request: readonly Value[], at: number): Value {
    const { feature, stored: inputs, request: fields, askedAt } = this.#column;
    for (const { place, index } of inputs) this.#scope[place] = stored[index] as Value;
    for (const { place, index } of fields) this.#scope[place] = request[index] as Value;
    this.#scope[askedAt] = Math.floor(at);
    return feature.evaluate(this.#row);
  }
}

/** What was asked for, of what was read: the stored columns that were asked for themselves, and those computed from them and the request. */
export function withOnDemand(
  service: ServicePlan,
  { columns: stored, positions }: FeatureVectors,
  request: readonly (readonly Value[])[],
  rows: number,
  at: number | readonly number[],
): FeatureVectors {
  const computed: { evaluator: OnDemandEvaluator; inputs: OnDemandColumn['stored']; column: FeatureColumn }[] = [];
  const columns = service.columns.map((asked): FeatureColumn => {
    if (typeof asked === 'number') return stored[asked] as FeatureColumn;
    const { view, feature } = asked;
    const column = { view: view.name, name: feature.name, type: feature.type, values: [], statuses: [], times: [] };
    computed.push({ evaluator: new OnDemandEvaluator(asked), inputs: asked.stored, column });
    return column;
  });
  const [storedRow, requestRow] = [new Array<Value>(stored.length), new Array<Value>(request.length)];
  for (let row = 0; row < rows; row++) {
    for (let index = 0; index < stored.length; index++) storedRow[index] = (stored[index] as FeatureColumn).values[row] as Value;
    for (let index = 0; index < request.length; index++) requestRow[index] = (request[index] as readonly Value[])[row] as Value;
    for (const { evaluator, inputs, column } of computed) {
      let isKnown = true;
      let time = 0;
      for (const { index } of inputs) {
        const input = stored[index] as FeatureColumn;
        // What rests on a value that cannot be told cannot be told.
        if (input.statuses[row] === Status.INVALID) isKnown = false;
        time = Math.max(time, input.times[row] as number);
      }
      const value = isKnown ? evaluator.value(storedRow, requestRow, typeof at === 'number' ? at : (at[row] as number)) : null;
      column.values.push(value);
      column.statuses.push(!isKnown ? Status.INVALID : value === null ? Status.NULL_VALUE : Status.PRESENT);
      column.times.push(isKnown ? time : 0);
    }
  }
  return { columns, positions };
}
