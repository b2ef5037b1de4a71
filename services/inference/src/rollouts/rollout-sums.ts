import { canonical } from '@millrace/kernel';
import {
  bucketOfValue,
  mergedSums,
  NO_PAIRS,
  NO_SUMS,
  withArmValue,
  withBounded,
  type BoundedSums,
  type PairedArms,
} from '@millrace/statistics';
import type { LabelRecorded } from '../domain/prediction/label.js';
import type { OutcomeRecorded } from '../domain/prediction/outcome.js';
import { predictedNumber, type PredictionMade, type ShadowAnswered, type UnitExposed } from '../domain/prediction/prediction.js';
import type { Arms, OutcomeGate, RolloutPlan } from '../domain/rollout/rollout.events.js';
import { LabelSums, type Variant } from './label-sums.js';
import { OutcomeSums } from './outcome-sums.js';

/** Rows kept at most until their labels come. */
const MOST_AWAITED = 200_000;
/** Units whose outcomes are kept at most, of each gate. */
const MOST_UNITS = 100_000;
/** Ids remembered of each partition: a writer that does not know whether its append failed repeats it right away. */
const REMEMBERED_IDS = 20_000;

export interface Folded {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * Everything a rollout's gates are judged by, as a fold of the prediction, shadow, label, exposure and outcome facts. What it holds depends on how far each partition
 * was folded, not on how the partitions' batches came to follow one another, nor on repeats.
 */
export class RolloutSums {
  readonly requests: Record<Variant, number> = { primary: 0, candidate: 0 };
  /** Of the requests, those that were answered. */
  readonly answered: Record<Variant, number> = { primary: 0, candidate: 0 };
  /** Requests that named no unit, so that nobody could be assigned. */
  unassigned = 0;
  readonly latencies: Record<Variant, Map<number, number>> = { primary: new Map(), candidate: new Map() };
  readonly predictions: Record<Variant, Map<number, number>> = { primary: new Map(), candidate: new Map() };
  readonly labels: LabelSums;
  readonly positions: Record<string, number>;
  /** Errors of the two arms, by partition: who is compared with whom depends on the order in it. */
  readonly #errors = new Map<number, PairedArms>();
  #mirroredErrors: BoundedSums = NO_SUMS;
  /** By tolerance. */
  readonly #disagreements: Map<number, BoundedSums>;
  readonly #outcomes: ReadonlyMap<string, OutcomeSums>;
  readonly #seen = new Map<string, Set<string>>();

  constructor(
    private readonly name: string,
    private readonly run: number,
    private readonly plan: RolloutPlan,
    positions: Readonly<Record<string, number>>,
    /** Facts of other versions do not count; absent: all do. */
    private readonly arms?: Arms,
  ) {
    this.positions = { ...positions };
    const names = plan.gates.flatMap(({ label }) => (label === null ? [] : [label]));
    this.labels = new LabelSums(new Set(plan.reward ? [...names, plan.reward.label] : names), MOST_AWAITED);
    const tolerances = plan.gates.filter(({ metric }) => metric === 'disagreement').map(({ tolerance }) => tolerance);
    this.#disagreements = new Map(tolerances.map((tolerance) => [tolerance, NO_SUMS]));
    this.#outcomes = new Map(
      plan.gates.flatMap(({ outcome }) => (outcome ? [[canonical(outcome), new OutcomeSums(outcome, MOST_UNITS)] as const] : [])),
    );
  }

  /** Differences of errors, candidate minus primary: of mirrored requests, else of the two arms. */
  get errors(): BoundedSums {
    return [...this.#errors.values()].reduce((sums, arms) => mergedSums(sums, arms.differences), this.#mirroredErrors);
  }

  /** How many requests of an arm failed. */
  failures(variant: Variant): number {
    const arm = variant === 'primary' ? 'control' : 'treatment';
    return [...this.#errors.values()].reduce((sum, arms) => sum + arms[arm].sum, 0);
  }

  disagreement(tolerance: number): BoundedSums {
    return this.#disagreements.get(tolerance) ?? NO_SUMS;
  }

  /** Whose outcomes count. */
  get experiments(): string[] {
    return [...new Set(this.plan.gates.flatMap(({ outcome }) => outcome?.experiment ?? []))];
  }

  outcomes(gate: OutcomeGate): OutcomeSums | undefined {
    return this.#outcomes.get(canonical(gate));
  }

  /** `time`: of the fact, milliseconds since the epoch. */
  predicted(data: PredictionMade, at: Folded, time = 0): void {
    const { variant } = data;
    if (!this.#isNewPrediction(data, at) || data.rollout !== this.name) return;
    if (variant === null && data.rows.some(({ unit }) => unit === null)) this.unassigned++;
    if (!isVariant(variant)) return;
    for (const outcomes of this.#outcomes.values()) outcomes.reached(time);
    if (!this.#isArm(variant, data)) return;
    // A request that is wrong in itself says nothing about the model.
    if (data.error?.code === 'MR_INFERENCE_INVALID') return;
    this.requests[variant]++;
    const arm = variant === 'primary' ? 'control' : 'treatment';
    this.#errors.set(at.partition, withArmValue(this.#errors.get(at.partition) ?? NO_PAIRS, arm, data.error === null ? 0 : 1));
    if (data.error !== null) return;
    this.answered[variant]++;
    grow(this.latencies[variant], data.latencyMicros);
    for (const { row, unit, outputs } of data.rows) {
      const value = predictedNumber(outputs);
      if (value !== null) grow(this.predictions[variant], value);
      this.labels.answered(data.predictionId, row, unit, data.featureTime, { primary: value, candidate: value, by: variant });
    }
  }

  mirrored(data: ShadowAnswered, at: Folded): void {
    if (!this.#isNewMirrored(data, at) || data.rollout !== this.name || data.run !== this.run) return;
    if (!this.#isArm('primary', data.primary) || !this.#isArm('candidate', data.candidate)) return;
    this.requests.primary++;
    this.requests.candidate++;
    this.#mirroredErrors = withBounded(this.#mirroredErrors, Number(data.candidate.error !== null) - Number(data.primary.error !== null));
    if (data.primary.error === null) this.answered.primary++;
    if (data.candidate.error === null) this.answered.candidate++;
    if (data.primary.error !== null || data.candidate.error !== null) return;
    grow(this.latencies.primary, data.primary.latencyMicros);
    grow(this.latencies.candidate, data.candidate.latencyMicros);
    for (const { row, unit, primary, candidate } of data.rows) {
      if (primary !== null) grow(this.predictions.primary, primary);
      if (candidate !== null) grow(this.predictions.candidate, candidate);
      for (const [tolerance, sums] of this.#disagreements) {
        const isAlike = primary === candidate || (primary !== null && candidate !== null && Math.abs(primary - candidate) <= tolerance);
        this.#disagreements.set(tolerance, withBounded(sums, isAlike ? 0 : 1));
      }
      this.labels.answered(data.predictionId, row, unit, data.featureTime, { primary, candidate, by: 'both' });
    }
  }

  /** What other processes tell of variants they showed somebody is not this deployment's. */
  exposed(data: UnitExposed, at: Folded, time: number): void {
    const { experiment, variant, deployment } = data;
    if (!this.#isNew(at) || experiment !== this.name || deployment !== this.plan.deployment || !isVariant(variant)) return;
    for (const outcomes of this.#outcomes.values()) outcomes.exposed({ ...data, variant }, time, at.partition);
  }

  measured(data: OutcomeRecorded, at: Folded, time: number): void {
    if (!this.#isNew(at)) return;
    for (const outcomes of this.#outcomes.values()) outcomes.told(data, time);
  }

  /** A label of another deployment is about its predictions, also where they are of the same units and times. */
  labelled(data: LabelRecorded, at: Folded): void {
    if (this.#isNew(at) && data.deployment === this.plan.deployment) this.labels.labelled(data, at.partition, at.offset);
  }

  /** The partition was read up to there. */
  passed(topic: string, partition: number, nextOffset: number): void {
    const key = `${topic}/${partition}`;
    this.positions[key] = Math.max(this.positions[key] ?? 0, nextOffset);
  }

  /** Facts from before they named their version are taken for the run's. */
  #isArm(variant: Variant, { model, version }: { readonly model?: string; readonly version?: number }): boolean {
    const arm = this.arms?.[variant];
    return arm === undefined || version === undefined || (arm.version === version && arm.model === model);
  }

  /**
   * A stream answers events again when its process was killed, whenever that was: what it answered is remembered beside what others ask meanwhile. An
   * event that was answered counts once, also where another variant answers it again.
   */
  #isNewPrediction({ predictionId, stream, error }: PredictionMade, at: Folded): boolean {
    if (!stream) return this.#isNew(at);
    const partition = `${at.topic}/${at.partition}`;
    if (!this.#isAhead(at) || !this.#isUnseen(`${partition} of streams`, at.id)) return false;
    return error !== null || this.#isUnseen(`${partition} answered to streams`, predictionId);
  }

  /** What is mirrored of a stream is told again as its predictions are. */
  #isNewMirrored({ stream }: ShadowAnswered, at: Folded): boolean {
    if (!stream) return this.#isNew(at);
    return this.#isAhead(at) && this.#isUnseen(`${at.topic}/${at.partition} of streams`, at.id);
  }

  #isNew(at: Folded): boolean {
    return this.#isAhead(at) && this.#isUnseen(`${at.topic}/${at.partition}`, at.id);
  }

  /** Whether the fact is behind all that was folded of its partition. */
  #isAhead({ topic, partition, offset }: Folded): boolean {
    const key = `${topic}/${partition}`;
    if (offset < (this.positions[key] ?? 0)) return false;
    this.positions[key] = offset + 1;
    return true;
  }

  #isUnseen(among: string, id: string): boolean {
    let seen = this.#seen.get(among);
    if (!seen) this.#seen.set(among, (seen = new Set()));
    if (seen.has(id)) return false;
    seen.add(id);
    if (seen.size > REMEMBERED_IDS) seen.delete(seen.values().next().value as string);
    return true;
  }
}

function isVariant(variant: string | null): variant is Variant {
  return variant === 'primary' || variant === 'candidate';
}

function grow(histogram: Map<number, number>, value: number): void {
  const bucket = bucketOfValue(value);
  histogram.set(bucket, (histogram.get(bucket) ?? 0) + 1);
}

/** A reward's sums as a bandit takes them. */
export function rewardsOf(sums: BoundedSums | undefined): { n: number; sum: number } {
  return { n: sums?.n ?? 0, sum: sums?.sum ?? 0 };
}
