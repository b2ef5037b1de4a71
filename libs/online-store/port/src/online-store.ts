/** One write of a batch: an absolute value, or a removal. Values are whole, so writing twice does no harm. */
export interface OnlineWrite {
  readonly key: Buffer;
  /** `null` removes the key. */
  readonly value: Buffer | null;
}

/** A condition on a batch: the key holds exactly this value (`null`: is absent) at the moment of the write. */
export interface OnlineGuard {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/** Longest key any adapter has to take; callers hash what is longer. */
export const MAX_ONLINE_KEY_BYTES = 1024;

/**
 * The online feature store's port: binary keys to binary values, read many at a time. A pure projection: it may be emptied at any time
 * and is rebuilt from the log. One contract suite (`onlineStoreContract`) holds for every adapter.
 */
export interface OnlineStore {
  /**
   * Values in the order of the keys; `null` where there is none. One round trip, one snapshot: a batch is seen whole or not at all. Fails with a
   * retryable fault soon after the store is known to be away, and with `MR_DEADLINE_EXCEEDED` after `withinMs` where an answer may be long in coming.
   */
  getMany(keys: readonly Buffer[], withinMs?: number): Promise<readonly (Buffer | null)[]>;
  /**
   * Applies all writes at once, or none of them. With guards it writes only while every guard holds and answers whether it did: a projection
   * guards its batch with the checkpoint it last wrote, so a second owner, or a store that was emptied, cannot be written over.
   * Resolves when a later read sees the writes. A throw is indefinite: the batch may have been applied, whole.
   */
  writeMany(writes: readonly OnlineWrite[], guards?: readonly OnlineGuard[]): Promise<boolean>;
  /** Every key with `prefix` and its value, in byte order of the keys. For digests, rebuilds and tests, not for serving. */
  scan(prefix: Buffer): AsyncIterable<readonly [Buffer, Buffer]>;
  /** Removes every key with `prefix`; returns how many. */
  clear(prefix: Buffer): Promise<number>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
