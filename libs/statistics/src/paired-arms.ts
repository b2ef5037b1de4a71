import { NO_SUMS, rounded, withBounded, type BoundedSums } from './mean-bounds.js';

/** Two arms on their way to a difference: what waits for its counterpart, and the differences so far, treatment minus control. */
export interface PairedArms {
  readonly differences: BoundedSums;
  /** Whose values wait; only one arm's can. */
  readonly waiting: 'control' | 'treatment' | null;
  readonly values: readonly number[];
  readonly control: ArmTotal;
  readonly treatment: ArmTotal;
}

export interface ArmTotal {
  readonly n: number;
  readonly sum: number;
}

/** Values that wait at most; beyond it the oldest goes, seen in its arm's total alone. */
export const MOST_WAITING = 64;

export const NO_PAIRS: PairedArms = {
  differences: NO_SUMS,
  waiting: null,
  values: [],
  control: { n: 0, sum: 0 },
  treatment: { n: 0, sum: 0 },
};

/** How many of the waiting values the next one of the other arm is compared with. */
export function olderHalf(waiting: number): number {
  return Math.max(1, Math.floor(waiting / 2));
}

/**
 * Adds one value between 0 and 1 of one arm. A value that meets waiting values of the other arm is compared with the mean of the older half of
 * them (at least one): arms of one size are compared one by one, and a small arm each time with many of the large one, whose own noise then
 * hardly counts. Who is compared with whom depends on the order of the arms alone, never on a value, so under equal means
 * each difference has mean 0 given all before it, whatever the shares are and however they change.
 */
export function withArmValue(arms: PairedArms, arm: 'control' | 'treatment', value: number): PairedArms {
  const own = rounded(value);
  const total = { n: arms[arm].n + 1, sum: arms[arm].sum + own };
  if (arms.waiting === null || arms.waiting === arm) {
    const values = [...arms.values, own];
    if (values.length > MOST_WAITING) values.shift();
    return { ...arms, [arm]: total, waiting: arm, values };
  }
  const count = olderHalf(arms.values.length);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += arms.values[i] as number;
  const difference = arm === 'treatment' ? own - sum / count : sum / count - own;
  const values = arms.values.slice(count);
  return {
    ...arms,
    [arm]: total,
    differences: withBounded(arms.differences, difference),
    waiting: values.length === 0 ? null : arms.waiting,
    values,
  };
}
