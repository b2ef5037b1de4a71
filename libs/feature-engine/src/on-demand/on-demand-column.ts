import type { Value } from '../column-type.js';
import type { ExpressionRow } from '../expression/compile-expression.js';
import type { OnDemandFeature, OnDemandPlan } from './compile-on-demand-view.js';

/** Where an expression finds a value: place in its scope, index in the list that is handed in. */
export interface ScopePlace {
  readonly place: number;
  readonly index: number;
}

export interface OnDemandColumnParts {
  readonly view: OnDemandPlan;
  readonly feature: OnDemandFeature;
  /** Of the features it reads: indexes in the plan's `stored`. */
  readonly stored: readonly ScopePlace[];
  /** Of the request fields it reads: indexes in the plan's `request`. */
  readonly request: readonly ScopePlace[];
}

/**
 * A feature computed on demand, and where in a service's plan what it reads is. The only place where such values are computed, online and offline. It belongs to its
 * plan and serves one row after the other: a value is computed in one go, so nobody comes in between.
 */
export class OnDemandColumn {
  readonly view: OnDemandPlan;
  readonly feature: OnDemandFeature;
  readonly stored: readonly ScopePlace[];
  readonly #request: readonly ScopePlace[];
  readonly #askedAt: number;
  readonly #scope: Value[];
  readonly #row: ExpressionRow;

  constructor({ view, feature, stored, request }: OnDemandColumnParts) {
    this.view = view;
    this.feature = feature;
    this.stored = stored;
    this.#request = request;
    this.#askedAt = view.inputs.length + view.request.length;
    const scope = new Array<Value>(this.#askedAt + 1).fill(null);
    this.#scope = scope;
    this.#row = { value: (place) => scope[place] as Value };
  }

  /** `stored`: values of the plan's stored features, null where there is none; `request`: of its request fields; `at` in milliseconds since the epoch. */
  value(stored: readonly Value[], request: readonly Value[], at: number): Value {
    const scope = this.#scope;
    for (const { place, index } of this.stored) scope[place] = stored[index] as Value;
    for (const { place, index } of this.#request) scope[place] = request[index] as Value;
    scope[this.#askedAt] = Math.floor(at);
    return this.feature.evaluate(this.#row);
  }
}
