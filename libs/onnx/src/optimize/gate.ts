import type { Measurement } from './measure-models.js';

/** What a model made of another has to reach before it is registered. Every bound that is given has to hold. */
export interface GateThresholds {
  /** Least number of rows the answers were compared on. */
  readonly minRows: number;
  /** Least share of rows with the same label, of models that give labels. */
  readonly minAgreement: number;
  /** Most mean error by the standard deviation of the parent's outputs, of models that give no labels. */
  readonly maxRelativeError: number;
  /** Most error of any one float, in the outputs' unit. */
  readonly maxError?: number;
  /** Most that the accuracy may fall, or the mean error grow by its own, of rows whose truth is known, if there are `minRows` of them. */
  readonly maxAccuracyLoss: number;
  /** Most bytes, by the parent's. */
  readonly maxSizeRatio: number;
  /** Most median time of a batch of 32 rows, by the parent's. */
  readonly maxLatencyRatio: number;
}

export const GATE_DEFAULTS: GateThresholds = {
  minRows: 100,
  minAgreement: 0.99,
  maxRelativeError: 0.05,
  maxAccuracyLoss: 0.01,
  maxSizeRatio: 1,
  maxLatencyRatio: 1.1,
};

/** A bound that does not hold. */
export interface GateFailure {
  readonly bound: keyof GateThresholds;
  readonly limit: number;
  readonly actual: number;
  readonly message: string;
}

/** Every bound the measurement breaks; none: the model may be registered. */
export function gate(measured: Measurement, thresholds: GateThresholds): GateFailure[] {
  const failures: GateFailure[] = [];
  const atMost = (bound: keyof GateThresholds, actual: number, limit: number | undefined, message: string): void => {
    // Written so that a NaN fails.
    if (limit !== undefined && !(actual <= limit)) failures.push({ bound, limit, actual, message });
  };
  const { rows, agreement, relativeError, maxError, sizeRatio, latencyRatio } = measured;
  const { minRows, minAgreement } = thresholds;
  if (rows < minRows) {
    failures.push({ bound: 'minRows', limit: minRows, actual: rows, message: `${rows} rows are fewer than the ${minRows} it takes` });
  }
  if (agreement !== undefined && !(agreement >= minAgreement)) {
    const message = `${percent(agreement)} of the labels agree, at least ${percent(minAgreement)} have to`;
    failures.push({ bound: 'minAgreement', limit: minAgreement, actual: agreement, message });
  }
  if (agreement === undefined) {
    const { maxRelativeError: limit } = thresholds;
    atMost(
      'maxRelativeError',
      relativeError,
      limit,
      `the mean error is ${percent(relativeError)} of the outputs' deviation, more than ${percent(limit)}`,
    );
  }
  atMost('maxError', maxError, thresholds.maxError, `the largest error is ${maxError.toPrecision(3)}, more than ${thresholds.maxError}`);
  const { truth } = measured;
  if (truth && truth.rows >= minRows) {
    const isAccuracy = truth.what === 'accuracy';
    const loss = isAccuracy ? truth.parent - truth.child : truth.child === truth.parent ? 0 : truth.child / truth.parent - 1;
    const change = isAccuracy
      ? `${percent(truth.parent)} to ${percent(truth.child)}`
      : `${truth.parent.toPrecision(4)} to ${truth.child.toPrecision(4)}`;
    const limit = thresholds.maxAccuracyLoss;
    atMost(
      'maxAccuracyLoss',
      loss,
      limit,
      `the ${truth.what} goes from ${change} on ${truth.rows} rows with a label, worse by more than ${percent(limit)}`,
    );
  }
  atMost(
    'maxSizeRatio',
    sizeRatio,
    thresholds.maxSizeRatio,
    `it has ${times(sizeRatio)} the bytes of its parent, more than ${times(thresholds.maxSizeRatio)}`,
  );
  const { 32: latency } = latencyRatio;
  atMost(
    'maxLatencyRatio',
    latency,
    thresholds.maxLatencyRatio,
    `32 rows take ${times(latency)} the time, more than ${times(thresholds.maxLatencyRatio)}`,
  );
  return failures;
}

/** A share of 0 to 1 in prose. */
export function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}

function times(ratio: number): string {
  return `${Number(ratio.toFixed(3))} times`;
}
