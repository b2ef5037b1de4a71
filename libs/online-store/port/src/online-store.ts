/** One write of a batch: an absolute value, or a removal. Values are whole, so writing twice does no harm. */
export interface OnlineWrite {
  readonly key: Buffer;
  /** `null` removes the key. */
  readonly value: Buffer | null;
}

/**
 * The online feature store's port: binary keys to binary values, read many at a time. A pure projection: it may be emptied at any time
 * and is rebuilt from the log. One contract suite (`onlineStoreContract`) holds for every adapter.
 */
export interface OnlineStore {
  /** Values in the order of the keys; `null` where there is none. One round trip. */
  getMany(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]>;
  /**
   * Applies all writes or none visible in part to a later `getMany` of one key set written together.
   * Resolves when a later read sees them.
   */
  writeMany(writes: readonly OnlineWrite[]): Promise<void>;
  /** Every key with `prefix` and its value, in byte order of the keys. For digests, rebuilds and tests, not for serving. */
  scan(prefix: Buffer): AsyncIterable<readonly [Buffer, Buffer]>;
  /** Removes every key with `prefix`; returns how many. */
  clear(prefix: Buffer): Promise<number>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
