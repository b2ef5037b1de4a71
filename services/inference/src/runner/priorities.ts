/** Where a request stands in its model's queue: 1 goes first, 9 last; none and 0 are in the middle. */
export const DEFAULT_PRIORITY = 5;
export const LAST_PRIORITY = 9;
/** Runs of batch jobs come after everybody who waits for an answer. */
export const BATCH_PRIORITY = 10;
