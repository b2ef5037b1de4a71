import { TOPICS } from '@millrace/contracts';
import type { EventLog, LogBatch, LogRecord, Subscription } from '@millrace/event-log';
import { canonical } from '@millrace/kernel';
import type { RolloutState } from '../domain/rollout/rollout.decider.js';
import type { Arms, RolloutPlan } from '../domain/rollout/rollout.events.js';
import { decodeExposure, decodeOutcome } from '../projections/outcome-facts.js';
import { decodeShadow } from '../projections/shadow-answers.projection.js';
import { decodeLabel } from '../projections/labels.projection.js';
import { decodePrediction } from '../projections/predictions.projection.js';
import { RolloutSums } from './rollout-sums.js';

export interface FollowerOptions {
  readonly log: EventLog;
  readonly name: string;
  readonly state: RolloutState;
  /** Something new was folded. */
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
}

/** Folds the facts of one run of a rollout, from where it began: one fold of the whole run, one of the step it is in. */
export class RolloutFollower {
  readonly run: number;
  readonly whole: RolloutSums;
  #step: RolloutSums;
  #stepPositions: Readonly<Record<string, number>>;
  /** Where the step began that is folded; behind the positions wanted while it is folded anew. */
  #foldedFrom: string;
  readonly #options: FollowerOptions;
  readonly #plan: RolloutPlan;
  readonly #arms: Arms | undefined;
  readonly #subscriptions: Subscription[] = [];
  /** Batches and changes of the step take turns. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: FollowerOptions) {
    const { name, state } = options;
    this.#options = options;
    this.#plan = state.plan as RolloutPlan;
    this.#arms = state.arms;
    this.run = state.run;
    this.whole = new RolloutSums(name, state.run, this.#plan, state.positions, state.arms);
    this.#stepPositions = state.stepPositions;
    this.#foldedFrom = canonical(state.stepPositions);
    const isFirst = state.stepPositions === state.positions || state.step === 0;
    this.#step = isFirst ? this.whole : new RolloutSums(name, state.run, this.#plan, state.stepPositions, state.arms);
  }

  /** Whether `step` is what was shown since these positions: a step is not passed by what was shown in the one before. */
  isOf(positions: Readonly<Record<string, number>>): boolean {
    return this.#foldedFrom === canonical(positions);
  }

  get step(): RolloutSums {
    return this.#step;
  }

  async start(): Promise<void> {
    const { log } = this.#options;
    for (const topic of topicsOf(this.#plan)) {
      const from = (partition: number): number => this.whole.positions[`${topic}/${partition}`] ?? 0;
      this.#subscriptions.push(await log.subscribe({ topic, from, onBatch: (batch) => this.#inTurn(() => this.#fold(batch)) }));
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()));
    await this.#turn;
  }

  /** A step began at these positions: what was folded beyond them already is folded again, for the step alone. */
  begin(positions: Readonly<Record<string, number>>): void {
    if (canonical(positions) === canonical(this.#stepPositions)) return;
    const before = this.#stepPositions;
    this.#stepPositions = positions;
    const work = this.#inTurn(async () => {
      const { log, name, changed } = this.#options;
      const step = new RolloutSums(name, this.run, this.#plan, positions, this.#arms);
      for (const topic of topicsOf(this.#plan)) {
        for (const partition of (await log.end(topic)).keys()) {
          const key = `${topic}/${partition}`;
          const [from, to] = [positions[key] ?? 0, this.whole.positions[key] ?? 0];
          if (to > from) for await (const record of log.read(topic, partition, from, to)) foldRecord(step, record, name);
          step.passed(topic, partition, to);
        }
      }
      this.#step = step;
      this.#foldedFrom = canonical(positions);
      changed();
    });
    work.catch((error: unknown) => {
      // Asked again, it is tried again.
      if (this.#stepPositions === positions) this.#stepPositions = before;
      this.#options.failed(error);
    });
  }

  #inTurn(work: () => void | Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    // A batch that fails is delivered again; the next turn must come all the same.
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #fold({ topic, partition, records, nextOffset }: LogBatch): void {
    const { name, changed } = this.#options;
    const folds = this.#step === this.whole ? [this.whole] : [this.whole, this.#step];
    for (const sums of folds) {
      for (const record of records) foldRecord(sums, record, name);
      sums.passed(topic, partition, nextOffset);
    }
    if (records.length > 0) changed();
  }
}

/** The facts a plan's gates rest on. */
export function topicsOf({ mirror, gates, reward }: RolloutPlan): string[] {
  const isLabelled = reward !== null || gates.some(({ label }) => label !== null);
  const hasOutcomes = gates.some(({ outcome }) => outcome !== undefined);
  return [
    mirror > 0 ? TOPICS.shadows.name : TOPICS.predictions.name,
    ...(isLabelled ? [TOPICS.labels.name] : []),
    ...(hasOutcomes ? [TOPICS.exposures.name, TOPICS.outcomes.name] : []),
  ];
}

/** What cannot be read is in the dead letters already, put there by the tables' projections, and counts for nobody. */
export function foldRecord(sums: RolloutSums, record: LogRecord, name: string): void {
  const { topic, partition, offset, value } = record;
  if (topic === TOPICS.labels.name) {
    const label = decodeLabel(record);
    if (label.ok === true) sums.labelled(label.value.data, { id: label.value.event.id, topic, partition, offset });
    return;
  }
  if (topic === TOPICS.outcomes.name) {
    if (!sums.experiments.some((experiment) => value.includes(JSON.stringify(experiment)))) return;
    const outcome = decodeOutcome(record);
    if (outcome.ok !== true) return;
    const { event, data } = outcome.value;
    sums.measured(data, { id: event.id, topic, partition, offset }, event.time);
    return;
  }
  // Most predictions are of other deployments: not worth a decoding.
  if (!value.includes(JSON.stringify(name))) return;
  if (topic === TOPICS.shadows.name) {
    const shadow = decodeShadow(record);
    if (shadow.ok === true) sums.mirrored(shadow.value.data, { id: shadow.value.event.id, topic, partition, offset });
    return;
  }
  if (topic === TOPICS.exposures.name) {
    const exposure = decodeExposure(record);
    if (exposure.ok !== true) return;
    const { event, data } = exposure.value;
    sums.exposed(data, { id: event.id, topic, partition, offset }, event.time);
    return;
  }
  const prediction = decodePrediction(record);
  if (prediction.ok !== true) return;
  const { event, data } = prediction.value;
  sums.predicted(data, { id: event.id, topic, partition, offset }, event.time);
}
