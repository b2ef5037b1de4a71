import type { Ids, Scheduler } from '@millrace/kernel';
import { FactBuffer } from '@millrace/service';
import type { PredictionMade, UnitExposed } from '../domain/prediction/prediction.js';
import { ExposureFilter } from './exposures.js';
import type { GatewaySink } from './gateway.js';

/** A fact on its way to the log. */
export interface OutgoingFact<T> {
  readonly key: string;
  readonly id: string;
  readonly time: number;
  readonly data: T;
}

export interface FactSinkOptions {
  readonly appendPredictions: (facts: readonly OutgoingFact<PredictionMade>[]) => Promise<unknown>;
  readonly appendExposures: (facts: readonly OutgoingFact<UnitExposed>[]) => Promise<unknown>;
  readonly ids: Ids;
  readonly scheduler: Scheduler;
  readonly capacity: number;
  /** When the log is away for so long that there is no room for a record: `shed` it and count it, or `refuse` the request. */
  readonly whenFull: 'shed' | 'refuse';
  /** What is under way of a rollout, such as its step: units are told again in each. */
  readonly episodeOf?: (experiment: string) => string | undefined;
  readonly observer: {
    shed(facts: 'predictions' | 'exposures', count: number): void;
    retried(facts: 'predictions' | 'exposures', error: unknown): void;
  };
}

const MAX_BATCH = 500;
const GATHER_MS = 25;
/** Units remembered as exposed; a unit forgotten is told again, which readers of exposures expect. */
const REMEMBERED_EXPOSURES = 100_000;

/** Takes what the gateway has done to the log, behind the answers. */
export class FactSink implements GatewaySink {
  readonly #options: FactSinkOptions;
  readonly #predictions: FactBuffer<OutgoingFact<PredictionMade>>;
  readonly #exposures: FactBuffer<OutgoingFact<UnitExposed>>;
  readonly #filter = new ExposureFilter(REMEMBERED_EXPOSURES);

  constructor(options: FactSinkOptions) {
    this.#options = options;
    const { capacity, scheduler, observer } = options;
    const common = (facts: 'predictions' | 'exposures') => ({
      capacity,
      maxBatch: MAX_BATCH,
      gatherMs: GATHER_MS,
      scheduler,
      observer: { shed: (count: number) => observer.shed(facts, count), retried: (error: unknown) => observer.retried(facts, error) },
    });
    this.#predictions = new FactBuffer({ append: options.appendPredictions, again: mayRepeat, ...common('predictions') });
    this.#exposures = new FactBuffer({ append: options.appendExposures, ...common('exposures') });
  }

  takes(): boolean {
    return this.#options.whenFull === 'shed' || this.#predictions.hasRoom;
  }

  predicted(prediction: PredictionMade, time: number): void {
    const { predictionId, variant } = prediction;
    const id = variant === null ? predictionId : `${predictionId}:${variant}`;
    this.#predictions.add({ key: predictionId, id, time, data: prediction });
  }

  exposed(exposure: UnitExposed, time: number): void {
    if (!this.#filter.isNew(exposure, this.#options.episodeOf?.(exposure.experiment))) return;
    this.#exposures.add({ key: exposure.unit, id: this.#options.ids.next(), time, data: exposure });
  }

  /** Resolves when everything so far is on the log. */
  async flushed(): Promise<void> {
    await Promise.all([this.#predictions.flushed(), this.#exposures.flushed()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#predictions.close(), this.#exposures.close()]);
  }
}

/** The table of predictions counts the first of them: the log may have taken it although nothing said so in time. */
function mayRepeat(fact: OutgoingFact<PredictionMade>): OutgoingFact<PredictionMade> {
  return { ...fact, data: { ...fact.data, mayRepeat: true } };
}
