import type { Truth } from './assemble-rows.js';
import { countRows, isFloat, largest, type Rows } from './model-rows.js';
import { TruthComparison, type AgainstTruth } from './compare-truth.js';

/** How a model's answers differ from those of the model it was made of. */
export interface Differences {
  readonly rows: number;
  /** Share of rows with the same label; `undefined` for a model that gives none (a regression). */
  readonly agreement: number | undefined;
  /** What the label is: `label` (an output of integers or texts), `argmax` (the largest of several columns), `side of 0.5` (one column of probabilities). */
  readonly labelBy: 'label' | 'argmax' | 'side of 0.5' | undefined;
  /** Of the float outputs, in their own unit. Infinite where one is a number and the other is none. */
  readonly maxError: number;
  readonly meanError: number;
  /** `meanError` by the standard deviation of the parent's values; 0 where both are 0. What says something of outputs whose unit one does not know. */
  readonly relativeError: number;
  /** How right both are, where the truth is known of rows; else `undefined`. */
  readonly truth: AgainstTruth | undefined;
}

/** Collects batch after batch; each is the parent's and the child's outputs for the same rows. */
export class OutputComparison {
  #rows = 0;
  #agreeing = 0;
  #labelBy: Differences['labelBy'];
  #maxError = 0;
  #sumError = 0;
  #values = 0;
  /** Welford's running mean and sum of squares, of the parent's values by output. */
  readonly #spread = new Map<string, { count: number; mean: number; squares: number; error: number }>();
  readonly #truth = new TruthComparison();
  /** Whether the one column of floats has been within 0 and 1 so far: of a batch outside it the earlier labels were none. */
  #isProbability = true;

  /** `truths`: what was true of each row, where it is known. */
  add(parent: readonly Rows[], child: readonly Rows[], truths: readonly (Truth | undefined)[] = []): void {
    const rows = countRows(parent);
    const pairs = parent.map((output) => {
      const other = child.find(({ name }) => name === output.name);
      if (!other || other.data.length !== output.data.length || other.datatype !== output.datatype) {
        throw new RangeError(
          `output ${output.name} is ${describe(output)} of the parent and ${other ? describe(other) : 'not there'} of the child`,
        );
      }
      return [output, other] as const;
    });
    this.#rows += rows;
    for (const [a, b] of pairs) if (isFloat(a)) this.#addErrors(a, b);
    this.#truth.add(parent, child, truths);
    const agreement = this.#agreements(pairs, rows);
    if (agreement) {
      this.#labelBy = agreement.by;
      this.#agreeing += agreement.agreeing;
    }
  }

  differences(): Differences {
    const hasLabels = this.#labelBy !== undefined && (this.#labelBy !== 'side of 0.5' || this.#isProbability);
    let relativeError = 0;
    for (const { count, squares, error } of this.#spread.values()) {
      const deviation = Math.sqrt(squares / Math.max(1, count));
      const relative = error === 0 ? 0 : error / count / deviation;
      relativeError = Math.max(relativeError, relative);
    }
    return {
      rows: this.#rows,
      agreement: hasLabels && this.#rows > 0 ? this.#agreeing / this.#rows : undefined,
      labelBy: hasLabels ? this.#labelBy : undefined,
      maxError: this.#maxError,
      meanError: this.#values === 0 ? 0 : this.#sumError / this.#values,
      relativeError,
      truth: this.#truth.result(hasLabels),
    };
  }

  #addErrors(parent: Rows, child: Rows): void {
    const spread = this.#spread.get(parent.name) ?? { count: 0, mean: 0, squares: 0, error: 0 };
    this.#spread.set(parent.name, spread);
    for (let index = 0; index < parent.data.length; index++) {
      const [a, b] = [parent.data[index] as number, child.data[index] as number];
      const error = Object.is(a, b) || a === b ? 0 : Number.isFinite(a) && Number.isFinite(b) ? Math.abs(a - b) : Infinity;
      this.#maxError = Math.max(this.#maxError, error);
      this.#sumError += error;
      this.#values++;
      spread.error += error;
      if (!Number.isFinite(a)) continue;
      spread.count++;
      const delta = a - spread.mean;
      spread.mean += delta / spread.count;
      spread.squares += delta * (a - spread.mean);
    }
  }

  #agreements(
    pairs: readonly (readonly [Rows, Rows])[],
    rows: number,
  ): { by: NonNullable<Differences['labelBy']>; agreeing: number } | undefined {
    const perRow = pairs.filter(([{ shape }]) => shape[0] === rows);
    const labels = perRow.filter(([output]) => !isFloat(output));
    if (labels.length > 0) return { by: 'label', agreeing: countWhere(rows, (row) => labels.every(([a, b]) => sameRow(a, b, row, rows))) };
    const scores = perRow.filter(([{ shape }]) => shape.length === 2 && (shape[1] as number) > 1);
    if (scores.length > 0)
      return {
        by: 'argmax',
        agreeing: countWhere(rows, (row) => scores.every(([a, b]) => largest(a, row, rows) === largest(b, row, rows))),
      };
    const columns = perRow.filter(([{ data }]) => data.length === rows);
    if (columns.length === 0) return undefined;
    // A NaN is no probability either.
    const within = columns.every(([{ data }]) => (data as Float32Array).every((value) => value >= 0 && value <= 1));
    this.#isProbability &&= within;
    const side = ({ data }: Rows, row: number): boolean => (data[row] as number) >= 0.5;
    return { by: 'side of 0.5', agreeing: countWhere(rows, (row) => columns.every(([a, b]) => side(a, row) === side(b, row))) };
  }
}

function describe({ datatype, shape }: Rows): string {
  return `${datatype} [${shape.join(', ')}]`;
}

function countWhere(rows: number, holds: (row: number) => boolean): number {
  let count = 0;
  for (let row = 0; row < rows; row++) if (holds(row)) count++;
  return count;
}

function sameRow(a: Rows, b: Rows, row: number, rows: number): boolean {
  const width = a.data.length / rows;
  for (let index = row * width; index < (row + 1) * width; index++) if (a.data[index] !== b.data[index]) return false;
  return true;
}
