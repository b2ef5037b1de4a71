/**
 * A feature of all rows. `number`: split at a threshold, and a missing value (NaN) lies below every other. `category`: whole numbers that
 * name a category, split into one of them and the rest.
 */
export interface Feature {
  readonly kind: 'number' | 'category';
  readonly values: ArrayLike<number>;
}

/** A leaf's mean, or a question and where its two answers go. */
export type TreeNode =
  { readonly value: number } | { readonly feature: number; readonly at: number; readonly yes: TreeNode; readonly no: TreeNode };

export interface TreeOptions {
  /** How many features are looked at for a split; drawn anew for each. */
  readonly tries: number;
  readonly leafSize: number;
  readonly depth: number;
  readonly random: () => number;
}

/** Grows a regression tree (Breiman et al. 1984) on `rows`: each split takes the most off the sum of squares. */
export function growTree(features: readonly Feature[], target: ArrayLike<number>, rows: readonly number[], options: TreeOptions): TreeNode {
  const { leafSize, depth } = options;
  const total = sumOf(rows, target);
  const leaf: TreeNode = { value: total / rows.length };
  if (depth === 0 || rows.length < 2 * leafSize || rows.every((row) => target[row] === target[rows[0] as number])) return leaf;
  let best: Split | undefined;
  for (const feature of drawn(features.length, options.tries, options.random)) {
    const split = bestSplit(features[feature] as Feature, target, rows, total, leafSize);
    if (split && (best === undefined || split.score > best.score)) best = { ...split, feature };
  }
  if (!best) return leaf;
  const { feature, at } = best;
  const answers = (row: number) => answersYes(features[feature] as Feature, at, row);
  const below = { ...options, depth: depth - 1 };
  return {
    feature,
    at,
    yes: growTree(features, target, rows.filter(answers), below),
    no: growTree(
      features,
      target,
      rows.filter((row) => !answers(row)),
      below,
    ),
  };
}

/** What a tree says of a row. `moved` puts another row's value of one feature in place of its own. */
export function predict(tree: TreeNode, features: readonly Feature[], row: number, moved?: { feature: number; row: number }): number {
  let node = tree;
  while (!('value' in node)) {
    const at = moved?.feature === node.feature ? moved.row : row;
    node = answersYes(features[node.feature] as Feature, node.at, at) ? node.yes : node.no;
  }
  return node.value;
}

/** The features a tree asks about. */
export function featuresOf(tree: TreeNode, into = new Set<number>()): Set<number> {
  if ('value' in tree) return into;
  into.add(tree.feature);
  featuresOf(tree.yes, into);
  return featuresOf(tree.no, into);
}

interface Split {
  readonly feature: number;
  readonly at: number;
  /** What the split takes off the sum of squares, up to a constant. */
  readonly score: number;
}

function bestSplit(
  { kind, values }: Feature,
  target: ArrayLike<number>,
  rows: readonly number[],
  total: number,
  leafSize: number,
): Omit<Split, 'feature'> | undefined {
  const unsplit = total ** 2 / rows.length;
  let best: Omit<Split, 'feature'> | undefined;
  const consider = (at: number, count: number, sum: number): void => {
    const rest = rows.length - count;
    if (count < leafSize || rest < leafSize) return;
    const score = sum ** 2 / count + (total - sum) ** 2 / rest - unsplit;
    if (score > 1e-12 && (best === undefined || score > best.score)) best = { at, score };
  };
  if (kind === 'category') {
    const groups = new Map<number, { count: number; sum: number }>();
    for (const row of rows) {
      const group = groups.get(values[row] as number) ?? { count: 0, sum: 0 };
      group.count++;
      group.sum += target[row] as number;
      groups.set(values[row] as number, group);
    }
    for (const [category, { count, sum }] of groups) consider(category, count, sum);
    return best;
  }
  const value = (row: number): number => (Number.isNaN(values[row]) ? -Infinity : (values[row] as number));
  const ordered = [...rows].sort((a, b) => (value(a) === value(b) ? a - b : value(a) < value(b) ? -1 : 1));
  let sum = 0;
  for (let index = 0; index + 1 < ordered.length; index++) {
    sum += target[ordered[index] as number] as number;
    const [here, next] = [value(ordered[index] as number), value(ordered[index + 1] as number)];
    if (here !== next) consider(Number.isFinite(here) ? here + (next - here) / 2 : here, index + 1, sum);
  }
  return best;
}

function answersYes({ kind, values }: Feature, at: number, row: number): boolean {
  const value = values[row] as number;
  if (kind === 'category') return value === at;
  return Number.isNaN(value) || value <= at;
}

/** `count` different numbers below `size`, in a random order. */
function drawn(size: number, count: number, random: () => number): number[] {
  const all = Array.from({ length: size }, (_, index) => index);
  for (let index = 0; index < Math.min(count, size); index++) {
    const other = index + Math.floor(random() * (size - index));
    [all[index], all[other]] = [all[other] as number, all[index] as number];
  }
  return all.slice(0, count);
}

function sumOf(rows: readonly number[], target: ArrayLike<number>): number {
  let sum = 0;
  for (const row of rows) sum += target[row] as number;
  return sum;
}
