import { murmur3 } from './murmur3.js';

/** Size of the space of buckets: a unit's bucket is one of 2^32. */
export const BUCKETS = 0x1_0000_0000;

export interface WeightedVariant {
  readonly name: string;
  /** Its share is weight / sum of weights; at least one must be positive. */
  readonly weight: number;
}

export interface AssignmentRule {
  /** Experiments of different salts assign independently of one another; the same salt assigns alike. */
  readonly salt: string;
  /** In order: the order decides which units change when weights do. */
  readonly variants: readonly WeightedVariant[];
  /** Share of the units that take part, 0 to 1; 1 when absent. */
  readonly traffic?: number;
}

/** The buckets of one variant, half-open: `from <= bucket < to`. Units with `from + taken <= bucket` fall in it but take no part. */
export interface VariantRange {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly taken: number;
}

const utf8 = new TextEncoder();

/** The unit's bucket: MurmurHash3 x86_32, seed 0, over the UTF-8 bytes of `salt:unit`. */
export function bucketOf(salt: string, unit: string): number {
  return murmur3(utf8.encode(`${salt}:${unit}`));
}

/**
 * The variants' ranges. With c the running sum of the weights in order and W their total, variant i owns
 * `[floor(c[i-1] / W * 2^32), floor(c[i] / W * 2^32))` (IEEE doubles, in that order of operations), and of its own range the first
 * `floor(traffic * (to - from))` buckets take part. The hash is compared with the bounds as it is, so there is no modulo bias.
 */
export function rangesOf(rule: Pick<AssignmentRule, 'variants' | 'traffic'>): VariantRange[] {
  const traffic = rule.traffic ?? 1;
  if (!(traffic >= 0 && traffic <= 1)) throw new RangeError(`traffic is ${traffic}; it must be between 0 and 1`);
  let total = 0;
  for (const { name, weight } of rule.variants) {
    if (!(Number.isFinite(weight) && weight >= 0)) throw new RangeError(`weight of variant ${name} is ${weight}; it must be 0 or more`);
    total += weight;
  }
  if (!(total > 0 && Number.isFinite(total))) throw new RangeError('the sum of the weights must be positive and finite');
  let running = 0;
  let from = 0;
  return rule.variants.map(({ name, weight }) => {
    running += weight;
    const to = Math.floor((running / total) * BUCKETS);
    const range = { name, from, to, taken: Math.floor(traffic * (to - from)) };
    from = to;
    return range;
  });
}

/**
 * Assigns units to variants: a pure function of rule and unit, the same everywhere, for ever.
 *
 * What a change of the rule does to units already assigned:
 * - more traffic: nobody moves, new units join (each variant grows inside its own range); less traffic: some leave, nobody moves;
 * - two variants, one's weight grows: units move only from the other to it;
 * - three or more: the bounds between neighbours shift, so units may move between neighbours. Keep the weights, change the traffic;
 * - another salt: everybody is assigned afresh.
 *
 * The function returned gives `null` for a unit outside the traffic.
 */
export function assigner(rule: AssignmentRule): (unit: string) => string | null {
  const ranges = rangesOf(rule);
  const { salt } = rule;
  return (unit) => {
    const bucket = bucketOf(salt, unit);
    for (const range of ranges) {
      if (bucket < range.to) return bucket - range.from < range.taken ? range.name : null;
    }
    return null;
  };
}

/** One assignment; for many of one rule use {@link assigner}. */
export function assign(rule: AssignmentRule, unit: string): string | null {
  return assigner(rule)(unit);
}
