import { logisticRegression, type LogisticRegression } from '@millrace/onnx';
import { qualityOf, type Quality } from './quality.js';

/** A training set in columns; NaN where a value is missing. */
export interface TrainingTable {
  readonly features: readonly string[];
  /** One array per feature, all of one length. */
  readonly columns: readonly Float64Array[];
  /** 1 where it happened, 0 where it did not. */
  readonly labels: Uint8Array;
}

export interface TrainedModel {
  readonly model: LogisticRegression;
  /** The model as ONNX: input `input`, outputs `probability` and `label`. */
  readonly onnx: Uint8Array;
  /** On the rows it was trained on. */
  readonly quality: Quality;
  readonly iterations: number;
}

export interface TrainingOptions {
  /** Ridge penalty per row on the standardised weights; keeps the solution unique when columns repeat one another. */
  readonly ridge?: number;
  readonly maxIterations?: number;
}

/**
 * Logistic regression by Newton's method (iteratively reweighted least squares). Columns are standardised; a missing value counts as
 * its column's mean and adds the weight of the column's missing-indicator. There is no randomness: the same table gives
 * the same bytes.
 */
export function trainLogisticRegression(table: TrainingTable, options: TrainingOptions = {}): TrainedModel {
  const { ridge = 1e-4, maxIterations = 50 } = options;
  const rows = table.labels.length;
  const positives = table.labels.reduce((sum, label) => sum + label, 0);
  if (positives === 0 || positives === rows) throw new RangeError(`${positives} of ${rows} labels are 1: there is nothing to tell apart`);
  const design = designOf(table);
  const size = design.terms.length + 1;
  const weights = new Float64Array(size);
  weights[0] = Math.log(positives / (rows - positives));
  let iterations = 0;
  for (let step = Infinity; step > 1e-9 && iterations < maxIterations; iterations++) {
    const { gradient, hessian } = derivatives(design.terms, table.labels, weights, ridge);
    const change = solve(hessian, gradient, size);
    step = 0;
    for (let j = 0; j < size; j++) {
      weights[j] = (weights[j] as number) + (change[j] as number);
      step = Math.max(step, Math.abs(change[j] as number));
    }
  }
  const model: LogisticRegression = {
    features: table.features,
    bias: weights[0],
    weights: table.features.map((_, j) => weights[1 + j] as number),
    mean: design.mean,
    scale: design.scale,
    missingWeights: design.indicatorTerm.map((term) => (term < 0 ? 0 : (weights[1 + term] as number))),
  };
  return { model, onnx: logisticRegression(model), quality: qualityOf(table.labels, probabilitiesOf(model, table)), iterations };
}

/** The formula of the ONNX graph in double precision, for a whole table. */
export function probabilitiesOf(model: LogisticRegression, table: Pick<TrainingTable, 'columns' | 'labels'>): Float64Array {
  const probabilities = new Float64Array(table.labels.length).fill(model.bias);
  for (const [j, column] of table.columns.entries()) {
    const weight = (model.weights[j] as number) / (model.scale[j] as number);
    const mean = model.mean[j] as number;
    const missing = model.missingWeights?.[j] ?? 0;
    for (let i = 0; i < column.length; i++) {
      const x = column[i] as number;
      probabilities[i] = (probabilities[i] as number) + (Number.isNaN(x) ? missing : (x - mean) * weight);
    }
  }
  return probabilities.map((logit) => 1 / (1 + Math.exp(-logit)));
}

interface Design {
  /** Standardised columns (0 where missing), then the indicators of the columns that have missing values. */
  readonly terms: readonly Float64Array[];
  readonly mean: number[];
  readonly scale: number[];
  /** By feature: index of its indicator among the terms, -1 when nothing is missing. */
  readonly indicatorTerm: number[];
}

function designOf(table: TrainingTable): Design {
  const mean: number[] = [];
  const scale: number[] = [];
  const standardised: Float64Array[] = [];
  const indicators: Float64Array[] = [];
  const indicatorTerm: number[] = [];
  for (const column of table.columns) {
    let sum = 0;
    let present = 0;
    for (const x of column) {
      if (Number.isNaN(x)) continue;
      sum += x;
      present++;
    }
    // A column without any value, or with one value only, says nothing: mean and scale just keep the graph finite.
    const centre = present === 0 ? 0 : sum / present;
    let squares = 0;
    for (const x of column) if (!Number.isNaN(x)) squares += (x - centre) ** 2;
    const spread = squares > 0 ? Math.sqrt(squares / present) : 1;
    mean.push(centre);
    scale.push(spread);
    standardised.push(column.map((x) => (Number.isNaN(x) ? 0 : (x - centre) / spread)));
    indicatorTerm.push(present === column.length ? -1 : table.columns.length + indicators.length);
    if (present < column.length) indicators.push(column.map((x) => (Number.isNaN(x) ? 1 : 0)));
  }
  return { terms: [...standardised, ...indicators], mean, scale, indicatorTerm };
}

/** Gradient and negative Hessian of the penalised mean log likelihood; term 0 is the bias, which is not penalised. */
function derivatives(
  terms: readonly Float64Array[],
  labels: Uint8Array,
  weights: Float64Array,
  ridge: number,
): { gradient: Float64Array; hessian: Float64Array } {
  const size = terms.length + 1;
  const rows = labels.length;
  const gradient = new Float64Array(size);
  const hessian = new Float64Array(size * size);
  const x = new Float64Array(size);
  x[0] = 1;
  for (let i = 0; i < rows; i++) {
    let logit = weights[0] as number;
    for (let j = 1; j < size; j++) {
      x[j] = (terms[j - 1] as Float64Array)[i] as number;
      logit += (weights[j] as number) * (x[j] as number);
    }
    const p = 1 / (1 + Math.exp(-logit));
    const error = ((labels[i] as number) - p) / rows;
    const curvature = (p * (1 - p)) / rows;
    for (let j = 0; j < size; j++) {
      gradient[j] = (gradient[j] as number) + error * (x[j] as number);
      const scaled = curvature * (x[j] as number);
      for (let k = 0; k <= j; k++) hessian[j * size + k] = (hessian[j * size + k] as number) + scaled * (x[k] as number);
    }
  }
  for (let j = 1; j < size; j++) {
    gradient[j] = (gradient[j] as number) - ridge * (weights[j] as number);
    hessian[j * size + j] = (hessian[j * size + j] as number) + ridge;
  }
  return { gradient, hessian };
}

/** Solves the symmetric positive definite system by Cholesky; reads the lower triangle and overwrites it. */
function solve(matrix: Float64Array, vector: Float64Array, size: number): Float64Array {
  const at = (row: number, column: number): number => matrix[row * size + column] as number;
  for (let j = 0; j < size; j++) {
    for (let i = j; i < size; i++) {
      let sum = at(i, j);
      for (let k = 0; k < j; k++) sum -= at(i, k) * at(j, k);
      if (i > j) matrix[i * size + j] = sum / at(j, j);
      else if (sum > 0) matrix[j * size + j] = Math.sqrt(sum);
      else throw new RangeError('the training set determines no single model; raise the ridge penalty');
    }
  }
  const solution = Float64Array.from(vector);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) solution[i] = (solution[i] as number) - at(i, k) * (solution[k] as number);
    solution[i] = (solution[i] as number) / at(i, i);
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) solution[i] = (solution[i] as number) - at(k, i) * (solution[k] as number);
    solution[i] = (solution[i] as number) / at(i, i);
  }
  return solution;
}
