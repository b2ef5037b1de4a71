import type { OfflineStore } from '@millrace/offline-store';
import {
  differenceInMeans,
  differenceInProportions,
  momentsFrom,
  sampleRatioTest,
  varianceOf,
  type Interval,
  type Moments,
  type SampleRatioTest,
} from '@millrace/statistics';
import type { Experiment, Metric } from '../domain/experiment/experiment.js';
import { EXPOSED_UNITS_SQL, metricParameters, metricSql } from './metric-sql.js';

export interface VariantCount {
  readonly variant: string;
  readonly weight: number;
  readonly units: number;
}

export interface VariantEstimate {
  readonly variant: string;
  /** Units with a value. */
  readonly n: number;
  readonly mean: number | null;
  readonly variance: number | null;
}

export interface Comparison {
  readonly variant: string;
  /** Variant minus control. */
  readonly difference: number;
  readonly statistic: number;
  /** Two-sided. */
  readonly pValue: number;
  readonly interval: Interval;
  /** Of Welch's test; a metric of type `proportion` is compared by shares and has neither. */
  readonly standardError?: number;
  readonly degreesOfFreedom?: number;
}

export interface MetricResult extends Metric {
  readonly variants: readonly VariantEstimate[];
  /** Each variant against the control; a variant too small to compare is left out. */
  readonly comparisons: readonly Comparison[];
}

export interface ExperimentResults {
  readonly experiment: string;
  readonly control: string;
  readonly level: number;
  readonly variants: readonly VariantCount[];
  /** Whether the counts fit the weights; below 0.001 something is broken and no other number can be trusted. */
  readonly sampleRatio: (SampleRatioTest & { readonly isMismatch: boolean }) | null;
  /** Units that met more than one variant; they count where they were first. */
  readonly multipleExposures: number;
  readonly metrics: readonly MetricResult[];
}

/** Below it the sample ratio is called a mismatch: the threshold in common use, strict because it is looked at often. */
const MISMATCH_BELOW = 0.001;

/** Estimates per metric and variant, each variant's difference to the control, and whether the split can be trusted. Fixed horizon. */
export async function experimentResults(store: OfflineStore, experiment: Experiment, level = 0.95): Promise<ExperimentResults> {
  const parameters = { experiment: experiment.name };
  const exposed = await store.query<{ variant: string; units: string; multiple: string }>(EXPOSED_UNITS_SQL, parameters);
  const unitsOf = (variant: string): number => Number(exposed.find((row) => row.variant === variant)?.units ?? 0);
  const variants = experiment.variants.map(({ name, weight }) => ({ variant: name, weight, units: unitsOf(name) }));
  const sampleRatio = sampleRatioTest(variants.map(({ units, weight }) => ({ n: units, weight })));
  const metrics: MetricResult[] = [];
  for (const metric of experiment.metrics) metrics.push(await metricResult(store, experiment, metric, level));
  return {
    experiment: experiment.name,
    control: experiment.variants[0]?.name ?? '',
    level,
    variants,
    sampleRatio: sampleRatio ? { ...sampleRatio, isMismatch: sampleRatio.pValue < MISMATCH_BELOW } : null,
    multipleExposures: exposed.reduce((sum, row) => sum + Number(row.multiple), 0),
    metrics,
  };
}

async function metricResult(store: OfflineStore, experiment: Experiment, metric: Metric, level: number): Promise<MetricResult> {
  const rows = await store.query<{ variant: string; n: string; mean: number | null; variance: number | null }>(
    metricSql(metric),
    metricParameters(experiment.name, metric),
  );
  const moments = experiment.variants.map(({ name }) => {
    const row = rows.find((item) => item.variant === name);
    return { variant: name, moments: momentsFrom(Number(row?.n ?? 0), row?.mean ?? 0, row?.variance ?? 0) };
  });
  const [control, ...others] = moments;
  return {
    ...metric,
    variants: moments.map(({ variant, moments: own }) => estimate(variant, own)),
    comparisons: others.flatMap(({ variant, moments: own }) => {
      const difference = control && differenceOf(metric, control.moments, own, level);
      return difference ? [{ variant, ...difference }] : [];
    }),
  };
}

/** Shares have a test of their own: few units that all did, or all did not, have no spread, and say little all the same. */
function differenceOf({ type }: Metric, control: Moments, treatment: Moments, level: number): Omit<Comparison, 'variant'> | undefined {
  if (type !== 'proportion') return differenceInMeans(control, treatment, level);
  return differenceInProportions(proportionOf(control), proportionOf(treatment), level);
}

function proportionOf({ n, mean }: Moments): { successes: number; n: number } {
  return { successes: Math.round(mean * n), n };
}

function estimate(variant: string, moments: Moments): VariantEstimate {
  return { variant, n: moments.n, mean: moments.n === 0 ? null : moments.mean, variance: varianceOf(moments) ?? null };
}
