import type { Item, ItemBatch, LoggedFact } from '@millrace/event-log';

/** What the table has of a key: the first offset it was at. */
export interface StoredFirst {
  readonly key: string;
  readonly first: number;
}

/** How repeats of one kind of fact are told. */
export interface RepeatRules<D> {
  /** What all records of the same have in common, or `undefined` where none can be a repeat. */
  readonly keyOf: (data: D) => string | undefined;
  /** Whether a record can be a repeat at all, and not only what another repeats; all can when absent. */
  readonly canRepeat?: (data: D) => boolean;
  /** Whether an earlier one may be in the table already, so that it has to be asked. */
  readonly mayBeStored: (data: D) => boolean;
  /** Asks the table for the keys of `facts`. */
  readonly stored: (partition: number, facts: readonly D[]) => Promise<readonly StoredFirst[]>;
}

/** So far behind what the table holds, in offsets, keys are remembered: of two processes that had an event at the same time only the later to take it up knows that its record may be a repeat. */
const REMEMBERED = 10_000;

/**
 * Which records are repeats: a device that got no answer sends its upload again, a stream answers events again whose outputs were not written when its
 * process was killed, a gateway tells a prediction again whose append was not answered in time, and the log takes every record. Repeats are in one partition, and the first in it counts. What is
 * earlier is in the table, or among what is about to be put in.
 */
export class FactRepeats<D> {
  /** By partition, first offsets of what the table may not hold yet, lowest first. */
  readonly #recent = new Map<number, Map<string, number>>();
  /** By partition, the offsets of the batch at hand that give no row. */
  readonly #repeats = new Map<number, ReadonlySet<number>>();

  constructor(private readonly rules: RepeatRules<D>) {}

  /** Looks up a batch before its rows are made. */
  async prepare({ partition, items }: ItemBatch<LoggedFact<D>>): Promise<void> {
    this.#repeats.delete(partition);
    const { keyOf, canRepeat, mayBeStored, stored } = this.rules;
    const looked = items.flatMap(({ record: { offset }, value: { data } }) => {
      const key = keyOf(data);
      return key === undefined ? [] : [{ key, offset, data }];
    });
    if (looked.length === 0) return;
    const recent = this.#recentIn(partition);
    // Taken before the table is asked: what is put in meanwhile is then known from here.
    const firsts = new Map<string, number>();
    for (const { key } of looked) {
      const first = recent.get(key);
      if (first !== undefined) firsts.set(key, first);
    }
    const asked = looked.flatMap(({ data }) => (mayBeStored(data) ? [data] : []));
    const found = asked.length === 0 ? [] : await stored(partition, asked);
    for (const { key, first } of found) firsts.set(key, Math.min(first, firsts.get(key) ?? first));
    const repeats = new Set<number>();
    for (const { key, offset, data } of looked) {
      const first = firsts.get(key) ?? offset;
      firsts.set(key, first);
      if (first < offset) {
        if (canRepeat?.(data) ?? true) repeats.add(offset);
      } else if (!recent.has(key)) recent.set(key, offset);
    }
    this.#repeats.set(partition, repeats);
  }

  isRepeat({ record }: Item<LoggedFact<D>>): boolean {
    return this.#repeats.get(record.partition)?.has(record.offset) ?? false;
  }

  /** Nothing buffered before counts any more: the partition is read from the table's checkpoint. */
  assigned(partition: number): void {
    this.#recent.delete(partition);
    this.#repeats.delete(partition);
  }

  /** The table answers for everything before `next`. */
  stored(partition: number, next: number): void {
    const recent = this.#recentIn(partition);
    for (const [key, offset] of recent) {
      if (offset >= next - REMEMBERED) return;
      recent.delete(key);
    }
  }

  #recentIn(partition: number): Map<string, number> {
    let recent = this.#recent.get(partition);
    if (!recent) this.#recent.set(partition, (recent = new Map<string, number>()));
    return recent;
  }
}
