import { CorrectablePairs, mergedSums, NO_SUMS, type BoundedSums, type PairedValue } from '@millrace/statistics';
import type { UnitExposed } from '../domain/prediction/prediction.js';
import type { OutcomeRecorded } from '../domain/prediction/outcome.js';
import type { OutcomeGate } from '../domain/rollout/rollout.events.js';
import type { Variant } from './label-sums.js';

/** A unit since it first met a variant. */
interface Exposed {
  readonly variant: Variant;
  readonly at: number;
  readonly partition: number;
  /** Of its outcomes within the time, in shares of the range; of a proportion, how many were not zero. */
  sum: number;
  /** Its place among the units that count; null before its time is over. */
  counted: PairedValue | null;
  /** Outcomes no longer find it: it went because there were too many. */
  isForgotten: boolean;
}

interface EarlyOutcome {
  readonly share: number;
  readonly time: number;
}

/** Outcomes kept at most of a unit that was not exposed as far as we have read. */
const MOST_EARLY = 100;
/** Shares of the range are rounded to it, so that adding them is exact in any order; an outcome of more ranges than that counts as so many. */
const STEPS = 2 ** 20;

/**
 * Joins the outcomes that a gate is about to the units of a rollout. A unit counts where it was first, by what was told of it within the gate's
 * time; it counts when that time is over, and not before outcomes of later times have come: nothing told is no outcome only then. So each unit
 * has the same time, whichever arm it is in and whenever it came. Units are compared in the order in which each partition of the exposures tells them.
 */
export class OutcomeSums {
  /** Units and outcomes that went because there were too many. */
  forgotten = 0;
  readonly #units = new Map<string, Exposed>();
  readonly #early = new Map<string, EarlyOutcome[]>();
  /** By partition of the exposures: units whose time is not over, in order, and those that count. */
  readonly #waiting = new Map<number, Exposed[]>();
  readonly #pairs = new Map<number, CorrectablePairs>();
  /** The latest request, and the latest outcome. */
  #requestTime = -Infinity;
  #outcomeTime = -Infinity;

  constructor(
    private readonly gate: OutcomeGate,
    private readonly capacity: number,
  ) {}

  /** Losses of the units that count, candidate minus primary, in shares of the range. */
  get differences(): BoundedSums {
    return [...this.#pairs.values()].reduce((sums, pairs) => mergedSums(sums, pairs.differences), NO_SUMS);
  }

  /** The units that count, and the sum of their losses. */
  totals(variant: Variant): { n: number; sum: number } {
    const arm = armOf(variant);
    return [...this.#pairs.values()].reduce((total, { [arm]: own }) => ({ n: total.n + own.n, sum: total.sum + own.sum }), {
      n: 0,
      sum: 0,
    });
  }

  /** Exposed units that do not count yet. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((count, units) => count + units.filter(({ isForgotten }) => !isForgotten).length, 0);
  }

  exposed({ unit, variant }: UnitExposed & { readonly variant: Variant }, time: number, partition: number): void {
    if (this.#units.has(unit)) return;
    const exposed: Exposed = { variant, at: time, partition, sum: 0, counted: null, isForgotten: false };
    for (const early of this.#early.get(unit) ?? []) if (this.#isWithin(exposed, early.time)) exposed.sum += early.share;
    this.#early.delete(unit);
    this.#units.set(unit, exposed);
    const waiting = this.#waiting.get(partition);
    if (waiting) waiting.push(exposed);
    else this.#waiting.set(partition, [exposed]);
    if (this.#units.size > this.capacity) this.#forgetOldest();
    this.#count();
  }

  told({ experiment, metric, unit, value }: OutcomeRecorded, time: number): void {
    if (experiment !== this.gate.experiment || metric !== this.gate.name) return;
    const share = this.#shareOf(value);
    const exposed = this.#units.get(unit);
    if (!exposed) this.#keepEarly(unit, { share, time });
    else if (this.#isWithin(exposed, time)) {
      exposed.sum += share;
      if (exposed.counted) this.#pairs.get(exposed.partition)?.correct(exposed.counted, this.#lossOf(exposed));
    }
    this.#outcomeTime = Math.max(this.#outcomeTime, time);
    this.#count();
  }

  /** A request was answered then: the rollout's time goes on. */
  reached(time: number): void {
    if (time <= this.#requestTime) return;
    this.#requestTime = time;
    this.#count();
  }

  /** An outcome of a wrong clock, far ahead, must not end anybody's time: requests have to be there too. */
  #count(): void {
    const now = Math.min(this.#requestTime, this.#outcomeTime);
    for (const [partition, waiting] of this.#waiting) {
      let over = 0;
      for (; over < waiting.length && (waiting[over] as Exposed).at + this.gate.withinMs <= now; over++) {
        const exposed = waiting[over] as Exposed;
        if (exposed.isForgotten) continue;
        let pairs = this.#pairs.get(partition);
        if (!pairs) this.#pairs.set(partition, (pairs = new CorrectablePairs()));
        exposed.counted = pairs.add(armOf(exposed.variant), this.#lossOf(exposed));
      }
      if (over > 0) waiting.splice(0, over);
    }
  }

  #isWithin({ at }: Exposed, time: number): boolean {
    return time >= at && time < at + this.gate.withinMs;
  }

  #shareOf(value: number): number {
    const { measure, low, high } = this.gate;
    if (measure === 'proportion') return value === 0 ? 0 : 1;
    return Math.round(Math.max(-STEPS, Math.min(STEPS, value / (high - low))) * STEPS) / STEPS;
  }

  /** Between 0 and 1; less is better. */
  #lossOf({ sum }: Exposed): number {
    const { measure, low, high, better } = this.gate;
    const value = measure === 'proportion' ? Math.min(1, sum) : Math.max(0, Math.min(1, sum - low / (high - low)));
    return better === 'more' ? 1 - value : value;
  }

  #keepEarly(unit: string, early: EarlyOutcome): void {
    const known = this.#early.get(unit) ?? [];
    this.#early.delete(unit);
    known.push(early);
    if (known.length > MOST_EARLY) {
      known.shift();
      this.forgotten++;
    }
    this.#early.set(unit, known);
    if (this.#early.size <= this.capacity) return;
    this.#early.delete(this.#early.keys().next().value as string);
    this.forgotten++;
  }

  /** One whose time is not over would count without what was still to come, so it does not count at all. */
  #forgetOldest(): void {
    const [unit, exposed] = this.#units.entries().next().value as [string, Exposed];
    this.#units.delete(unit);
    exposed.isForgotten = true;
    this.forgotten++;
  }
}

function armOf(variant: Variant): 'control' | 'treatment' {
  return variant === 'primary' ? 'control' : 'treatment';
}
