/** How good predicted probabilities are. */
export interface Quality {
  readonly rows: number;
  /** Share of positives: what always predicting the average would know. */
  readonly baseRate: number;
  readonly logLoss: number;
  /** Log loss of always predicting the base rate. */
  readonly baseLogLoss: number;
  readonly brier: number;
  readonly baseBrier: number;
  /** Probability that a positive is ranked above a negative, ties counting half; `null` when one of the classes is absent. */
  readonly auc: number | null;
}

export function qualityOf(labels: ArrayLike<number>, probabilities: ArrayLike<number>): Quality {
  const rows = labels.length;
  if (rows === 0 || probabilities.length !== rows) throw new RangeError(`${probabilities.length} probabilities for ${rows} labels`);
  let positives = 0;
  let loss = 0;
  let squares = 0;
  for (let i = 0; i < rows; i++) {
    const label = labels[i] as number;
    const p = probabilities[i] as number;
    positives += label;
    loss -= Math.log(Math.max(label === 1 ? p : 1 - p, 1e-15));
    squares += (p - label) ** 2;
  }
  const baseRate = positives / rows;
  const entropy = (share: number): number => (share === 0 ? 0 : -share * Math.log(share));
  return {
    rows,
    baseRate,
    logLoss: loss / rows,
    baseLogLoss: entropy(baseRate) + entropy(1 - baseRate),
    brier: squares / rows,
    baseBrier: baseRate * (1 - baseRate),
    auc: areaUnderCurve(labels, probabilities, positives),
  };
}

/** By ranks (Mann-Whitney); equal scores share their mean rank. */
function areaUnderCurve(labels: ArrayLike<number>, scores: ArrayLike<number>, positives: number): number | null {
  const rows = labels.length;
  const negatives = rows - positives;
  if (positives === 0 || negatives === 0) return null;
  const order = Uint32Array.from({ length: rows }, (_, i) => i).sort((a, b) => (scores[a] as number) - (scores[b] as number));
  let rankSum = 0;
  for (let start = 0; start < rows;) {
    let end = start + 1;
    while (end < rows && scores[order[end] as number] === scores[order[start] as number]) end++;
    for (let i = start; i < end; i++) if (labels[order[i] as number] === 1) rankSum += (start + end + 1) / 2;
    start = end;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
