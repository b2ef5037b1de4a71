import type { Item, ItemBatch, LoggedFact } from '@millrace/event-log';
import type { OfflineStore } from '@millrace/offline-store';
import { repeatKeyOf, type PredictionMade } from '../domain/prediction/prediction.js';

type Prediction = LoggedFact<PredictionMade>;

interface Stored {
  readonly id: string;
  readonly variant: string;
  readonly error: string;
  readonly source: string;
  readonly first: number;
}

/** So far behind what the table holds, in offsets, keys are remembered: of two processes that had an event at the same time only the later to take it up knows that its record may be a repeat. */
const REMEMBERED = 10_000;

/**
 * Which records are repeats: a device that got no answer sends its upload again, a stream answers events again whose outputs were not written when its
 * process was killed, and the log takes every record. The key is the prediction id, so repeats are in one partition, and the first in it counts. What is
 * earlier is in the table, or among what is about to be put in. The gateway's own records are not looked at.
 */
export class PredictionRepeats {
  /** By partition, first offsets of what the table may not hold yet, lowest first. */
  readonly #recent = new Map<number, Map<string, number>>();
  /** By partition, the offsets of the batch at hand that give no row. */
  readonly #repeats = new Map<number, ReadonlySet<number>>();

  constructor(private readonly store: Pick<OfflineStore, 'query'>) {}

  /** Looks up a batch before its rows are made. The table is asked for uploads, and for what its stream says may be a repeat. */
  async prepare({ partition, items }: ItemBatch<Prediction>): Promise<void> {
    this.#repeats.delete(partition);
    const looked = items.filter(({ value: { data } }) => data.edge || data.stream);
    if (looked.length === 0) return;
    const recent = this.#recentIn(partition);
    // Taken before the table is asked: what is put in meanwhile is then known from here.
    const firsts = new Map<string, number>();
    for (const { value } of looked) {
      const key = keyOf(value.data);
      const first = recent.get(key);
      if (first !== undefined) firsts.set(key, first);
    }
    for (const { key, first } of await this.#stored(partition, looked)) firsts.set(key, Math.min(first, firsts.get(key) ?? first));
    const repeats = new Set<number>();
    for (const { record, value } of looked) {
      const key = keyOf(value.data);
      const first = firsts.get(key) ?? record.offset;
      firsts.set(key, first);
      if (first < record.offset) repeats.add(record.offset);
      else if (!recent.has(key)) recent.set(key, record.offset);
    }
    this.#repeats.set(partition, repeats);
  }

  isRepeat({ record }: Item<Prediction>): boolean {
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

  async #stored(partition: number, looked: readonly Item<Prediction>[]): Promise<{ key: string; first: number }[]> {
    const asked = looked.filter(({ value: { data } }) => data.edge || data.mayRepeat === true);
    if (asked.length === 0) return [];
    const ids = [...new Set(asked.map(({ value }) => value.data.predictionId))];
    const found = await this.store.query<Stored>(
      `SELECT prediction_id AS id, variant, error_code AS error, source, toFloat64(min(_offset)) AS first FROM millrace.predictions
       WHERE _partition = {partition:UInt32} AND prediction_id IN ({ids:Array(String)}) GROUP BY id, variant, error, source`,
      { partition, ids },
    );
    return found.map(({ source, first, ...stored }) => ({ key: repeatKeyOf({ ...stored, isEdge: source === 'edge' }), first }));
  }

  #recentIn(partition: number): Map<string, number> {
    let recent = this.#recent.get(partition);
    if (!recent) this.#recent.set(partition, (recent = new Map<string, number>()));
    return recent;
  }
}

function keyOf({ predictionId: id, variant, error, edge }: PredictionMade): string {
  return repeatKeyOf({ id, variant: variant ?? '', error: error?.code ?? '', isEdge: Boolean(edge) });
}
