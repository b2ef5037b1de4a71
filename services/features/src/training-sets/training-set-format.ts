import type { TrainingSetRequested } from '../domain/training-set/training-set.events.js';

/**
 * How training sets are written. It is in their ids, for an id stands for bytes: whatever makes the same request come out with other bytes (a type that is
 * written otherwise, a setting of Parquet) makes this one more. Sets of former formats stay as they are and are read as they were; none is built any more.
 * 2: keys and times checked. 3: enums, addresses, UUIDs, times of day and integers beyond 64 bits are text in Parquet.
 */
export const TRAINING_SET_FORMAT = 3;

/** The format a set was asked for in: requests did not say it before the third. */
export function formatOf({ format = 2 }: TrainingSetRequested): number {
  return format;
}
