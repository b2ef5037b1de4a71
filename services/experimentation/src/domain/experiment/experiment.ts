/** An experiment as this service follows it; made from the resource's spec in one place. */
export interface Experiment {
  readonly name: string;
  readonly salt: string;
  /** Share of the units that take part, 0 to 1. */
  readonly traffic: number;
  /** What is assigned: a join key, a user id. */
  readonly unit: string;
  /** The first is the control. */
  readonly variants: readonly Variant[];
  readonly metrics: readonly Metric[];
}

export interface Variant {
  readonly name: string;
  readonly weight: number;
}

export interface Metric {
  readonly name: string;
  /** `outcome`: sent for the experiment; `label`: from the labels of the predictions its variants made. */
  readonly source: 'outcome' | 'label';
  /** Of a metric over labels: the label's name; when absent, labels called as the metric and labels without a name count. */
  readonly label?: string;
  /**
   * What one unit's value is. `mean`: of outcomes their sum (0 without any), of labels their mean. `proportion`: whether
   * any is not zero. `squaredError`: the mean of (prediction - label)^2, for labels only: the Brier score of a probability.
   */
  readonly type: 'mean' | 'proportion' | 'squaredError';
}
