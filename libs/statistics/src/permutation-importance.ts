import { randomNumbers } from './random-numbers.js';
import { featuresOf, growTree, predict, type Feature } from './regression-tree.js';

export interface FeatureImportance {
  /** How much of the target's variance the forest no longer explains once the feature's values are shuffled; 0 for one that does not matter. */
  readonly importance: number;
  /** Its part of the importance of all features. */
  readonly share: number;
}

export interface Importances {
  /** In the order of the features given. */
  readonly features: readonly FeatureImportance[];
  /**
   * The part of the variance the forest explains of rows it has not seen (out of bag). Near or below 0 the features do not explain the
   * target, and their importances say nothing.
   */
  readonly explained: number;
}

export interface ImportanceOptions {
  readonly trees?: number;
  readonly seed?: number;
}

const TREES = 64;
const LEAF_SIZE = 3;
const DEPTH = 12;
const SEED = 20_010_101;

/**
 * Permutation importance (Breiman 2001) on a random forest of regression trees. Each tree is grown on a bootstrap sample; of the rows it
 * has not seen, one feature's values are shuffled and the rise of the squared error is taken, averaged over the trees and divided by the
 * target's variance. Interactions count, scales and monotone transformations do not matter. Two features that say the same share
 * their importance between them. Deterministic: the same rows give the same numbers.
 */
export function permutationImportance(
  features: readonly Feature[],
  target: readonly number[],
  options: ImportanceOptions = {},
): Importances {
  const rows = target.length;
  const mean = target.reduce((sum, value) => sum + value, 0) / rows;
  const variance = target.reduce((sum, value) => sum + (value - mean) ** 2, 0) / rows;
  if (!(variance > 0) || features.length === 0) return { features: features.map(() => ({ importance: 0, share: 0 })), explained: 0 };
  const random = randomNumbers(options.seed ?? SEED);
  const trees = options.trees ?? TREES;
  const rises = features.map(() => 0);
  const [votes, voters] = [new Float64Array(rows), new Uint32Array(rows)];
  let counted = 0;
  for (let count = 0; count < trees; count++) {
    const [bag, rest] = bootstrap(rows, random);
    if (rest.length < 2) continue;
    counted++;
    const tries = Math.max(1, Math.ceil(features.length / 2));
    const tree = growTree(features, target, bag, { tries, leafSize: LEAF_SIZE, depth: DEPTH, random });
    let error = 0;
    for (const row of rest) {
      const vote = predict(tree, features, row);
      votes[row] = (votes[row] as number) + vote;
      voters[row] = (voters[row] as number) + 1;
      error += (vote - (target[row] as number)) ** 2;
    }
    for (const feature of featuresOf(tree)) {
      const shuffled = shuffle(rest, random);
      let moved = 0;
      for (const [index, row] of rest.entries()) {
        moved += (predict(tree, features, row, { feature, row: shuffled[index] as number }) - (target[row] as number)) ** 2;
      }
      rises[feature] = (rises[feature] as number) + (moved - error) / rest.length;
    }
  }
  const importances = rises.map((rise) => Math.max(0, rise / Math.max(1, counted) / variance));
  const all = importances.reduce((sum, one) => sum + one, 0);
  return {
    features: importances.map((importance) => ({ importance, share: all > 0 ? importance / all : 0 })),
    explained: explainedBy(votes, voters, target, mean),
  };
}

/** As many rows as there are, drawn with repetition, and those that were never drawn. */
function bootstrap(rows: number, random: () => number): [bag: number[], rest: number[]] {
  const seen = new Uint8Array(rows);
  const bag = Array.from({ length: rows }, () => {
    const row = Math.floor(random() * rows);
    seen[row] = 1;
    return row;
  });
  const rest: number[] = [];
  for (let row = 0; row < rows; row++) if (seen[row] === 0) rest.push(row);
  return [bag, rest];
}

function shuffle(rows: readonly number[], random: () => number): number[] {
  const shuffled = [...rows];
  for (let index = shuffled.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [shuffled[index], shuffled[other]] = [shuffled[other] as number, shuffled[index] as number];
  }
  return shuffled;
}

function explainedBy(votes: Float64Array, voters: Uint32Array, target: readonly number[], mean: number): number {
  let [left, all] = [0, 0];
  for (const [row, value] of target.entries()) {
    const count = voters[row] as number;
    if (count === 0) continue;
    left += ((votes[row] as number) / count - value) ** 2;
    all += (value - mean) ** 2;
  }
  return all > 0 ? 1 - left / all : 0;
}
