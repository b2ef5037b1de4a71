import type { Scalar } from './expression-type.js';

type Run<Row> = (row: Row) => Scalar;

/** `if`, `nullif`, `coalesce`, `least` or `greatest` of what `runs` compute, which are of one type. */
export function choose<Row>(name: string, condition: Run<Row> | undefined, runs: readonly Run<Row>[]): Run<Row> {
  const [first, second] = runs as [Run<Row>, Run<Row>];
  if (condition) return (row) => (condition(row) === true ? first(row) : second(row));
  if (name === 'nullif') return (row) => nullIf(first(row), second(row));
  if (name === 'coalesce') {
    return (row) => {
      for (const run of runs) {
        const value = run(row);
        if (value !== null) return value;
      }
      return null;
    };
  }
  const isLeast = name === 'least';
  return (row) => {
    let best: Scalar = null;
    for (const run of runs) {
      const value = run(row);
      if (value === null) return null;
      if (best === null || (isLeast ? value < best : value > best)) best = value;
    }
    return best;
  };
}

function nullIf(value: Scalar, other: Scalar): Scalar {
  return value === other ? null : value;
}
