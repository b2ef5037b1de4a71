import type { SourceEvent, SourcePlan, Value } from '@millrace/feature-engine';
import type { ExpectationSpec } from '@millrace/resources';

/** A source's expectation, ready to be checked. */
export interface Expectation {
  /** As it was applied. */
  readonly spec: ExpectationSpec;
  readonly action: 'reject' | 'warn';
  /** What is wrong with the event's value; `undefined` when it is as expected. */
  readonly problem: (event: SourceEvent) => string | undefined;
}

/** Columns that the schema does not have are passed over: applying such a source is refused. */
export function compileExpectations(plan: SourcePlan, specs: readonly ExpectationSpec[]): Expectation[] {
  return specs.flatMap((spec) => {
    const index = plan.columnIndex.get(spec.column);
    if (index === undefined) return [];
    const problem = problemOf(plan, index, spec);
    return [
      {
        spec,
        action: spec.action ?? 'reject',
        problem: (event) => {
          const found = problem(event.values[index] as Value);
          return found === undefined ? undefined : `field ${spec.column} is ${found}`;
        },
      },
    ];
  });
}

function problemOf(plan: SourcePlan, index: number, { min, max, notNull, oneOf }: ExpectationSpec): (value: Value) => string | undefined {
  const { type } = plan.columns[index] as SourcePlan['columns'][number];
  const allowed = oneOf && new Set(oneOf.map((value) => type.parse(value)));
  return (value) => {
    if (value === null) return notNull === true ? 'null; a value is expected' : undefined;
    if (min !== undefined && (value as number | bigint) < min) return `${String(value)}; at least ${min} is expected`;
    if (max !== undefined && (value as number | bigint) > max) return `${String(value)}; at most ${max} is expected`;
    if (allowed && !allowed.has(value)) return `${JSON.stringify(String(value))}; that is none of the expected values`;
    return undefined;
  };
}
