import type { OnlineWrite } from '@millrace/online-store';

/** About what an entry costs beside its bytes. */
const ENTRY_BYTES = 100;

/**
 * Writes that readers see already and the file does not have yet: the last one of each key. While a part of them is on its way into the file
 * ({@link take}), newer ones gather beside it and stand before it.
 */
export class RecentWrites {
  // latin1 maps bytes to code units one to one.
  #gathering = new Map<string, OnlineWrite>();
  #leaving: ReadonlyMap<string, OnlineWrite> | undefined;
  #bytes = 0;

  /** About how much memory the writes take that are not on their way. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#gathering.size === 0 && this.#leaving === undefined;
  }

  add(write: OnlineWrite): void {
    this.#gathering.set(write.key.toString('latin1'), write);
    // A key written again is counted again: the bound is on what was written since the file was, and never too low.
    this.#bytes += ENTRY_BYTES + write.key.length + (write.value?.length ?? 0);
  }

  /** The last write of a key; `undefined` when the file has it. */
  find(key: Buffer): OnlineWrite | undefined {
    const text = key.toString('latin1');
    return this.#gathering.get(text) ?? this.#leaving?.get(text);
  }

  /** What to write into the file, all of it at once. It is read here until {@link written} or {@link failed}. */
  take(): ReadonlyMap<string, OnlineWrite> {
    const leaving = this.#gathering;
    this.#leaving = leaving;
    this.#gathering = new Map();
    this.#bytes = 0;
    return leaving;
  }

  written(): void {
    this.#leaving = undefined;
  }

  /** What was taken waits again, behind what came since. */
  failed(): void {
    const since = this.#gathering;
    this.#gathering = new Map();
    this.#bytes = 0;
    for (const write of this.#leaving?.values() ?? []) this.add(write);
    for (const write of since.values()) this.add(write);
    this.#leaving = undefined;
  }
}
