/** An event of a source as it stands in its table. */
export interface Ride {
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly key: readonly string[];
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * What a latest value is, written for reading: of the events that were known, without those that a later one of the same id has replaced, the newest at or
 * before `at`; whole, so that what is null in it is null. `undefined`: there is none, or it is older than the ttl. Everything is looked at for each question.
 */
export function latestOf(
  rides: readonly Ride[],
  key: readonly string[],
  at: number,
  rule: { ttl: number; span: number; next?: readonly number[] },
): Ride | undefined {
  const later = (a: Ride, b: Ride): boolean => a.partition > b.partition || (a.partition === b.partition && a.offset > b.offset);
  const same = (a: readonly string[], b: readonly string[]): boolean =>
    a.length === b.length && a.every((part, index) => part === b[index]);
  const span = (ride: Ride): number => Math.floor(ride.time / rule.span);
  const known = rides.filter(
    (ride) => same(ride.key, key) && (rule.next === undefined || ride.offset < (rule.next[ride.partition] as number)),
  );
  const standing = known.filter((ride) => !known.some((other) => other.id === ride.id && span(other) === span(ride) && later(other, ride)));
  const before = standing.filter((ride) => ride.time <= at);
  const newest = before.sort((a, b) => a.time - b.time || a.partition - b.partition || a.offset - b.offset).at(-1);
  return newest && (rule.ttl === 0 || newest.time >= at - rule.ttl) ? newest : undefined;
}
