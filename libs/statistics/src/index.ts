export { differenceInMeans, type Interval, type MeanDifference } from './difference-in-means.js';
export { differenceInProportions, type Proportion, type ProportionDifference } from './difference-in-proportions.js';
export {
  logEvidence,
  meanBounds,
  mergedSums,
  NO_SUMS,
  rounded,
  withBounded,
  withoutBounded,
  type BoundedRange,
  type BoundedSums,
} from './mean-bounds.js';
export { CorrectablePairs, type PairedValue } from './correctable-pairs.js';
export { NO_PAIRS, withArmValue, type ArmTotal, type PairedArms } from './paired-arms.js';
export {
  differenceVerdict,
  distanceVerdict,
  meansVerdict,
  quantileVerdict,
  shareVerdict,
  type SequentialVerdict,
  type Verdict,
  type VerdictOptions,
} from './sequential-verdict.js';
export { thompsonShares, type RewardedArm } from './thompson-sampling.js';
export {
  bucketOfValue,
  countOf,
  distanceBounds,
  quantileBounds,
  valuesOfBucket,
  type DistanceBounds,
  type QuantileBounds,
  type ValueHistogram,
} from './value-histogram.js';
export { merged, momentsFrom, momentsOf, NO_MOMENTS, varianceOf, withValue, type Moments } from './moments.js';
export { randomNumbers } from './random-numbers.js';
export { chiSquareUpperTail, sampleRatioTest, type SampleRatioTest } from './sample-ratio.js';
export { permutationImportance, type FeatureImportance, type ImportanceOptions, type Importances } from './permutation-importance.js';
export type { Feature } from './regression-tree.js';
