export {
  assign,
  assigner,
  BUCKETS,
  bucketOf,
  rangesOf,
  type AssignmentRule,
  type VariantRange,
  type WeightedVariant,
} from './assignment.js';
export { murmur3 } from './murmur3.js';
