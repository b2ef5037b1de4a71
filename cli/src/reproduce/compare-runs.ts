import type { LoggedRun } from './logged-run.js';

/** Something in which the second run is not the first. */
export interface RunDifference {
  readonly kind: 'param' | 'metric' | 'dataset';
  readonly name: string;
  readonly original: string | null;
  readonly again: string | null;
}

export interface CompareOptions {
  /** How far a metric may be from the first, relative to the larger of the two. */
  readonly tolerance: number;
  /** Names that are not compared; `*` stands for anything. */
  readonly ignored: readonly string[];
}

/** What machines do differently every time. */
const NEVER_COMPARED = ['system/*'];

/** Differences between two runs in params, last values of metrics, and datasets. */
export function compareRuns(original: LoggedRun, again: LoggedRun, { tolerance, ignored }: CompareOptions): RunDifference[] {
  const patterns = [...NEVER_COMPARED, ...ignored].map(expressionOf);
  const isCompared = (name: string): boolean => !patterns.some((pattern) => pattern.test(name));
  const differences: RunDifference[] = [];
  const compare = <T>(
    kind: RunDifference['kind'],
    one: ReadonlyMap<string, T>,
    two: ReadonlyMap<string, T>,
    isSame: (a: T, b: T) => boolean,
  ): void => {
    for (const name of [...new Set([...one.keys(), ...two.keys()])].sort()) {
      const [a, b] = [one.get(name), two.get(name)];
      if (!isCompared(name) || (a !== undefined && b !== undefined && isSame(a, b))) continue;
      differences.push({ kind, name, original: a === undefined ? null : String(a), again: b === undefined ? null : String(b) });
    }
  };
  compare('param', original.params, again.params, (a, b) => a === b);
  compare('metric', original.metrics, again.metrics, (a, b) => isWithin(a, b, tolerance));
  const datasets = (run: LoggedRun) =>
    new Map(run.datasets.map(({ name, digest, context }) => [`${name}${context === null ? '' : ` (${context})`}`, digest]));
  compare('dataset', datasets(original), datasets(again), (a, b) => a === b);
  return differences;
}

function isWithin(a: number, b: number, tolerance: number): boolean {
  if (Object.is(a, b) || a === b) return true;
  return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b));
}

function expressionOf(pattern: string): RegExp {
  return new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  );
}
