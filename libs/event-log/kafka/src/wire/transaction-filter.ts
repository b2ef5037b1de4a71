import type { FetchedPartition } from './fetch-request.js';
import { batchesOf, isAbort, type RawBatch } from './record-batch-reader.js';

/** A fetched batch, and whether its records count: ends of transactions and what was aborted do not. */
export interface FetchedBatch {
  readonly raw: RawBatch;
  readonly counts: boolean;
}

/** Tells what foreign producers have committed. Fed with the answers to the fetches of one partition in order. */
export class TransactionFilter {
  /** Producers whose running transaction is known to be aborted later. */
  readonly #aborted = new Set<bigint>();

  *batchesOf(fetched: FetchedPartition): Generator<FetchedBatch> {
    const coming = [...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset);
    for (const raw of batchesOf(fetched.recordSet)) {
      for (let next = coming[0]; next && next.firstOffset <= raw.lastOffset; next = coming[0]) {
        this.#aborted.add(next.producerId);
        coming.shift();
      }
      yield { raw, counts: this.#counts(raw) };
    }
  }

  #counts(batch: RawBatch): boolean {
    if (!batch.isControl) return !(batch.isTransactional && this.#aborted.has(batch.producerId));
    if (isAbort(batch)) this.#aborted.delete(batch.producerId);
    return false;
  }
}
