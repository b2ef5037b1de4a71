export { differenceInMeans, type Interval, type MeanDifference } from './difference-in-means.js';
export { differenceInProportions, type Proportion, type ProportionDifference } from './difference-in-proportions.js';
export { merged, momentsFrom, momentsOf, NO_MOMENTS, varianceOf, withValue, type Moments } from './moments.js';
export { randomNumbers } from './random-numbers.js';
export { chiSquareUpperTail, sampleRatioTest, type SampleRatioTest } from './sample-ratio.js';
export { permutationImportance, type FeatureImportance, type ImportanceOptions, type Importances } from './permutation-importance.js';
export type { Feature } from './regression-tree.js';
