import { NO_SUMS, withBounded, withoutBounded, type BoundedSums } from '@millrace/statistics';
import type { LabelRecorded } from '../domain/prediction/label.js';

export type Variant = 'primary' | 'candidate';

/** A row of an answer that waits for the truth: what one variant predicted, or both where the request was mirrored. */
export interface AwaitedRow {
  readonly primary: number | null;
  readonly candidate: number | null;
  /** Who answered; `both`: mirrored. */
  readonly by: Variant | 'both';
}

export type LabelMetric = 'brier' | 'misclassification' | 'label_mean' | 'reward';

/** What one label of the rows has shown so far, all metrics of it. Less is better, save of rewards. */
export interface LabelTotals {
  readonly primary: Map<LabelMetric, BoundedSums>;
  readonly candidate: Map<LabelMetric, BoundedSums>;
  /** Candidate minus primary of mirrored rows. */
  readonly differences: Map<LabelMetric, BoundedSums>;
}

interface Truth {
  readonly value: number;
  readonly time: number;
  readonly partition: number;
  readonly offset: number;
}

const METRICS: readonly LabelMetric[] = ['brier', 'misclassification', 'label_mean', 'reward'];

/**
 * Joins labels to answers, whichever comes first. The latest truth of a row stands: an earlier one is taken back. All sums are exact, so they
 * depend on what was told, not on the order in which topics were read.
 */
export class LabelSums {
  readonly totals = new Map<string, LabelTotals>();
  /** Rows and truths that went because there were too many. */
  forgotten = 0;
  /** Labels that are neither false or true nor between 0 and 1, by name. */
  readonly unfit = new Map<string, number>();
  readonly #rows = new Map<string, AwaitedRow>();
  readonly #aliases = new Map<string, string>();
  readonly #truths = new Map<string, Truth>();

  constructor(
    private readonly names: ReadonlySet<string>,
    private readonly capacity: number,
  ) {}

  get isWanted(): boolean {
    return this.names.size > 0;
  }

  answered(predictionId: string, row: number, unit: string | null, featureTime: number | null, awaited: AwaitedRow): void {
    if (!this.isWanted) return;
    const key = `${predictionId}:${row}`;
    if (this.#rows.has(key)) return;
    this.#keep(this.#rows, key, awaited);
    const alias = unit === null || featureTime === null ? undefined : aliasOf(unit, featureTime);
    if (alias !== undefined) this.#keep(this.#aliases, alias, key);
    for (const name of this.names) {
      const [byId, byUnit] = [this.#truths.get(`${name} ${key}`), this.#truths.get(`${name} ${alias}`)];
      const truth = byId && byUnit ? (isLater(byId, byUnit) ? byId : byUnit) : (byId ?? byUnit);
      if (!truth) continue;
      // From here on the row's truth is found under its own name, however the next one names it.
      this.#truths.delete(`${name} ${alias}`);
      this.#keep(this.#truths, `${name} ${key}`, truth);
      this.#count(name, awaited, truth.value, withBounded);
    }
  }

  labelled(label: LabelRecorded, partition: number, offset: number): void {
    if (!this.names.has(label.name)) return;
    const value = Number(label.value);
    if (typeof label.value === 'string' || !(value >= 0 && value <= 1)) {
      this.unfit.set(label.name, (this.unfit.get(label.name) ?? 0) + 1);
      return;
    }
    const { predictionId, row, unit, predictedAt } = label;
    const alias = predictionId === null ? aliasOf(unit ?? '', predictedAt ?? 0) : undefined;
    const told = alias === undefined ? `${predictionId}:${row}` : (this.#aliases.get(alias) ?? alias);
    const key = `${label.name} ${told}`;
    const truth = { value, time: label.time, partition, offset };
    const before = this.#truths.get(key);
    if (before && !isLater(truth, before)) return;
    const awaited = this.#rows.get(told);
    if (awaited && before) this.#count(label.name, awaited, before.value, withoutBounded);
    if (awaited) this.#count(label.name, awaited, value, withBounded);
    this.#keep(this.#truths, key, truth);
  }

  #count(name: string, { by, ...predicted }: AwaitedRow, truth: number, add: typeof withBounded): void {
    let totals = this.totals.get(name);
    if (!totals) this.totals.set(name, (totals = { primary: new Map(), candidate: new Map(), differences: new Map() }));
    for (const metric of METRICS) {
      const [primary, candidate] = [lossOf(metric, predicted.primary, truth), lossOf(metric, predicted.candidate, truth)];
      if (by === 'both') {
        if (primary !== null && candidate !== null) addTo(totals.differences, metric, candidate - primary, add);
      } else {
        const loss = by === 'primary' ? primary : candidate;
        if (loss !== null) addTo(totals[by], metric, loss, add);
      }
    }
  }

  #keep<T>(map: Map<string, T>, key: string, value: T): void {
    map.delete(key);
    map.set(key, value);
    if (map.size <= this.capacity) return;
    map.delete(map.keys().next().value as string);
    this.forgotten++;
  }
}

function addTo(sums: Map<LabelMetric, BoundedSums>, metric: LabelMetric, value: number, add: typeof withBounded): void {
  sums.set(metric, add(sums.get(metric) ?? NO_SUMS, value));
}

/** Between 0 and 1; null where it cannot be said without a prediction. */
function lossOf(metric: LabelMetric, predicted: number | null, truth: number): number | null {
  if (metric === 'reward') return truth;
  if (metric === 'label_mean') return 1 - truth;
  if (predicted === null) return null;
  if (metric === 'misclassification') return predicted >= 0.5 === truth >= 0.5 ? 0 : 1;
  return Math.min(1, (predicted - truth) ** 2);
}

function aliasOf(unit: string, time: number): string {
  return `${time}@${unit}`;
}

function isLater(a: Truth, b: Truth): boolean {
  return a.time !== b.time ? a.time > b.time : a.partition !== b.partition ? a.partition > b.partition : a.offset > b.offset;
}
