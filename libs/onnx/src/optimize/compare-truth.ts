import type { Truth } from './assemble-rows.js';
import { countRows, isFloat, largest, type Rows } from './model-rows.js';

/** How right a model and the one made of it are, on the rows whose truth is known. */
export interface AgainstTruth {
  readonly rows: number;
  /** `accuracy`: share of rows with the right label. `mean error`: mean absolute error, of a model that gives no labels. */
  readonly what: 'accuracy' | 'mean error';
  readonly parent: number;
  readonly child: number;
}

/** Compares both models' answers with what came true. */
export class TruthComparison {
  #rows = 0;
  readonly #right = { parent: 0, child: 0 };
  readonly #error = { parent: 0, child: 0 };

  add(parent: readonly Rows[], child: readonly Rows[], truths: readonly (Truth | undefined)[]): void {
    const rows = countRows(parent);
    truths.forEach((truth, row) => {
      const answers = [answerOf(parent, row, rows), answerOf(child, row, rows)] as const;
      const [before, after] = answers;
      if (truth === undefined || !before || !after) return;
      this.#rows++;
      if (before.isRight(truth)) this.#right.parent++;
      if (after.isRight(truth)) this.#right.child++;
      this.#error.parent += Math.abs(before.value - Number(truth));
      this.#error.child += Math.abs(after.value - Number(truth));
    });
  }

  /** `hasLabels`: whether the model's answers are labels, which only all of its answers tell. */
  result(hasLabels: boolean): AgainstTruth | undefined {
    const rows = this.#rows;
    if (rows === 0) return undefined;
    if (hasLabels) return { rows, what: 'accuracy', parent: this.#right.parent / rows, child: this.#right.child / rows };
    const { parent, child } = this.#error;
    // Of texts there is no error.
    return Number.isNaN(parent) ? undefined : { rows, what: 'mean error', parent: parent / rows, child: child / rows };
  }
}

interface Answer {
  readonly value: number;
  readonly isRight: (truth: Truth) => boolean;
}

/** A model's answer for a row: its label, else the largest of several columns, else its one column. */
function answerOf(outputs: readonly Rows[], row: number, rows: number): Answer | undefined {
  const label = outputs.find((output) => !isFloat(output) && output.data.length === rows);
  if (label) {
    const value = label.data[row];
    return { value: Number(value), isRight: (truth) => String(value) === String(typeof truth === 'boolean' ? Number(truth) : truth) };
  }
  const scores = outputs.find(({ shape }) => shape.length === 2 && shape[0] === rows && (shape[1] as number) > 1);
  if (scores) {
    const value = largest(scores, row, rows);
    return { value, isRight: (truth) => value === Number(truth) };
  }
  const column = outputs.find(({ data }) => data.length === rows);
  if (!column) return undefined;
  const value = Number(column.data[row]);
  return { value, isRight: (truth) => value >= 0.5 === Number(truth) >= 0.5 };
}
