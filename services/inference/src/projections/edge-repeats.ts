import type { Item, ItemBatch, LoggedFact } from '@millrace/event-log';
import type { OfflineStore } from '@millrace/offline-store';
import type { PredictionMade } from '../domain/prediction/prediction.js';

type Prediction = LoggedFact<PredictionMade>;

/**
 * Which records of uploads are repeats: a device that got no answer sends again, and the log takes every record. The key is the prediction id, so repeats
 * are in one partition, and the first in it counts. What is earlier is in the table, or among what is about to be put in.
 */
export class EdgeRepeats {
  /** By partition, first offsets of ids that the table does not hold yet. */
  readonly #waiting = new Map<number, Map<string, number>>();
  /** By partition, the offsets of the batch at hand that give no row. */
  readonly #repeats = new Map<number, ReadonlySet<number>>();

  constructor(private readonly store: Pick<OfflineStore, 'query'>) {}

  /** Looks up a batch before its rows are made. Batches without uploads cost nothing. */
  async prepare({ partition, items }: ItemBatch<Prediction>): Promise<void> {
    const uploads = items.filter(({ value }) => value.data.edge);
    this.#repeats.delete(partition);
    if (uploads.length === 0) return;
    const ids = [...new Set(uploads.map(({ value }) => value.data.predictionId))];
    const waiting = this.#waitingIn(partition);
    // Taken before the table is asked: what is put in meanwhile is then known from here.
    const firsts = new Map(ids.flatMap((id) => (waiting.has(id) ? [[id, waiting.get(id) as number] as const] : [])));
    const stored = await this.store.query<{ id: string; first: number }>(
      `SELECT prediction_id AS id, toFloat64(min(_offset)) AS first FROM millrace.predictions
       WHERE _partition = {partition:UInt32} AND prediction_id IN ({ids:Array(String)}) GROUP BY id`,
      { partition, ids },
    );
    for (const { id, first } of stored) firsts.set(id, Math.min(first, firsts.get(id) ?? first));
    const repeats = new Set<number>();
    for (const { record, value } of uploads) {
      const id = value.data.predictionId;
      const first = firsts.get(id) ?? record.offset;
      firsts.set(id, first);
      if (first < record.offset) repeats.add(record.offset);
      else waiting.set(id, record.offset);
    }
    this.#repeats.set(partition, repeats);
  }

  isRepeat({ record }: Item<Prediction>): boolean {
    return this.#repeats.get(record.partition)?.has(record.offset) ?? false;
  }

  /** Nothing buffered before counts any more: the partition is read from the table's checkpoint. */
  assigned(partition: number): void {
    this.#waiting.delete(partition);
    this.#repeats.delete(partition);
  }

  /** The table answers for everything before `next`. */
  stored(partition: number, next: number): void {
    const waiting = this.#waitingIn(partition);
    for (const [id, offset] of waiting) if (offset < next) waiting.delete(id);
  }

  #waitingIn(partition: number): Map<string, number> {
    let waiting = this.#waiting.get(partition);
    if (!waiting) this.#waiting.set(partition, (waiting = new Map<string, number>()));
    return waiting;
  }
}
