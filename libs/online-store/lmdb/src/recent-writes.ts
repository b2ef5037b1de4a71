import type { OnlineWrite } from '@millrace/online-store';
import { ValueMemory } from './value-memory.js';

/** About what an entry costs beside its bytes. */
const ENTRY_BYTES = 100;
/** In the place of where a value begins: the key is removed. */
const REMOVED = -1;

/** The last write of a key, and where its value lies. */
interface Entry {
  readonly key: Buffer;
  readonly start: number;
  readonly end: number;
}

/** What goes into the file at once: the last write of each key, with its value in memory of this group. */
class Gathered {
  // latin1 maps bytes to code units one to one.
  readonly #entries = new Map<string, Entry>();
  readonly #values = new ValueMemory();
  /** About how much memory its writes have taken. */
  bytes = 0;

  get size(): number {
    return this.#entries.size;
  }

  add(key: Buffer, value: Buffer | null): void {
    const start = value === null ? REMOVED : this.#values.add(value);
    const length = value?.length ?? 0;
    this.#entries.set(key.toString('latin1'), { key, start, end: start + length });
    // A key written again is counted again: so is the memory of its values.
    this.bytes += ENTRY_BYTES + key.length + length;
  }

  addAll(others: Gathered): void {
    for (const entry of others.#entries.values()) this.add(entry.key, others.#valueOf(entry));
  }

  /** A view of the value; `null` where the key is removed, `undefined` where nothing is written to it. */
  find(text: string): Buffer | null | undefined {
    const entry = this.#entries.get(text);
    return entry && this.#valueOf(entry);
  }

  /** Hands each write to LMDB: the value is a part of memory that stays as it is until {@link clear}. */
  each(put: (key: Buffer, value: Buffer) => unknown, remove: (key: Buffer) => unknown): void {
    for (const { key, start, end } of this.#entries.values())
      if (start === REMOVED) remove(key);
      else put(key, this.#values.part(start, end));
  }

  clear(): void {
    this.#entries.clear();
    this.#values.clear();
    this.bytes = 0;
  }

  #valueOf({ start, end }: Entry): Buffer | null {
    return start === REMOVED ? null : this.#values.view(start, end);
  }
}

/**
 * Writes that readers see already and the file does not have yet: the last one of each key. While a part of them is on its way into the file
 * ({@link take}), newer ones gather beside it and stand before it. Values are copied, so whoever wrote them is done with theirs.
 */
export class RecentWrites {
  #gathering = new Gathered();
  /** The other of the two, empty unless it is on its way. */
  #other = new Gathered();

  /** About how much memory the writes take that are not on their way. */
  get bytes(): number {
    return this.#gathering.bytes;
  }

  get isEmpty(): boolean {
    return this.#gathering.size === 0 && this.#other.size === 0;
  }

  add({ key, value }: OnlineWrite): void {
    this.#gathering.add(key, value);
  }

  /** The last write of a key: a view of its value, to be read or copied at once, or `null` where it is removed; `undefined` when the file has it. */
  find(key: Buffer): Buffer | null | undefined {
    const text = key.toString('latin1');
    const value = this.#gathering.find(text);
    return value === undefined ? this.#other.find(text) : value;
  }

  /** What to write into the file, all of it at once. It is read here until {@link written} or {@link failed}. */
  take(): Pick<Gathered, 'each'> {
    const leaving = this.#gathering;
    this.#gathering = this.#other;
    this.#other = leaving;
    return leaving;
  }

  written(): void {
    this.#other.clear();
  }

  /** What was taken waits again, behind what came since. */
  failed(): void {
    const since = this.#gathering;
    this.#gathering = this.#other;
    this.#other = since;
    this.#gathering.addAll(since);
    since.clear();
  }
}
