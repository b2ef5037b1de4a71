import { NO_SUMS, rounded, withBounded, withoutBounded, type BoundedSums } from './mean-bounds.js';
import { MOST_WAITING, olderHalf, type ArmTotal } from './paired-arms.js';

type Arm = 'control' | 'treatment';

/** A value that was added, to correct it by. */
export interface PairedValue {
  readonly arm: Arm;
  value: number;
  /** What it was compared in; null while it waits, or when it waited too long. */
  comparison: Comparison | null;
}

interface Comparison {
  readonly one: PairedValue;
  readonly others: readonly PairedValue[];
  difference: number;
}

/**
 * {@link PairedArms} whose values may be corrected later. Who is compared with whom never depends on a value, so the sums after a correction are
 * those that the corrected values would have made in the first place.
 */
export class CorrectablePairs {
  #differences: BoundedSums = NO_SUMS;
  #waiting: PairedValue[] = [];
  readonly #totals: Record<Arm, { n: number; sum: number }> = { control: { n: 0, sum: 0 }, treatment: { n: 0, sum: 0 } };

  /** Treatment minus control. */
  get differences(): BoundedSums {
    return this.#differences;
  }

  get control(): ArmTotal {
    return this.#totals.control;
  }

  get treatment(): ArmTotal {
    return this.#totals.treatment;
  }

  /** Adds the next value of an arm, between 0 and 1. */
  add(arm: Arm, value: number): PairedValue {
    const own: PairedValue = { arm, value: rounded(value), comparison: null };
    this.#totals[arm].n++;
    this.#totals[arm].sum += own.value;
    if (this.#waiting.length === 0 || this.#waiting[0]?.arm === arm) {
      this.#waiting.push(own);
      if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
      return own;
    }
    const others = this.#waiting.splice(0, olderHalf(this.#waiting.length));
    const comparison = { one: own, others, difference: 0 };
    for (const each of [own, ...others]) each.comparison = comparison;
    comparison.difference = differenceOf(comparison);
    this.#differences = withBounded(this.#differences, comparison.difference);
    return own;
  }

  /** The value as it is known now. */
  correct(own: PairedValue, value: number): void {
    const { comparison, arm } = own;
    const corrected = rounded(value);
    this.#totals[arm].sum += corrected - own.value;
    own.value = corrected;
    if (comparison === null) return;
    this.#differences = withoutBounded(this.#differences, comparison.difference);
    comparison.difference = differenceOf(comparison);
    this.#differences = withBounded(this.#differences, comparison.difference);
  }
}

function differenceOf({ one, others }: Comparison): number {
  const mean = others.reduce((sum, { value }) => sum + value, 0) / others.length;
  return one.arm === 'treatment' ? one.value - mean : mean - one.value;
}
