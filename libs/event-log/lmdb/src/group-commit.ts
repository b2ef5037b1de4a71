import type { NewRecord } from '@millrace/event-log';
import { Fault, isFault, type Position } from '@millrace/kernel';
import { ChunkBuilder } from './chunk.js';

export interface GroupCommitOptions {
  /** Records beyond this share of the memory are refused until some are on disk. */
  readonly maxQueuedBytes: number;
  readonly maxChunkBytes: number;
  readonly now: () => number;
  /**
   * Writes the chunks `take` hands out in one durable transaction, setting each chunk's base; `take` is called inside it, as late as can be. `bytes`:
   * about how much waits to be taken.
   */
  readonly write: (take: () => readonly ChunkBuilder[], bytes: number) => Promise<void>;
  /** Called after each commit, before its appends resolve. */
  readonly committed: (chunks: readonly ChunkBuilder[]) => void;
}

interface Waiter {
  readonly chunks: readonly ChunkBuilder[];
  readonly places: readonly number[];
  readonly resolve: (positions: readonly Position[]) => void;
  readonly reject: (fault: Fault) => void;
}

/** What goes to disk together: everything that was appended while the commit before was being synced. */
class Round {
  readonly chunks: ChunkBuilder[] = [];
  readonly open = new Map<string, ChunkBuilder>();
  readonly waiters: Waiter[] = [];
  bytes = 0;
}

/**
 * One transaction and one fsync for all who append at the same time. One commit runs at a time; what comes meanwhile waits in
 * memory for the next, up to a bound, beyond which appends are refused and the caller decides.
 */
export class GroupCommit {
  #round = new Round();
  #running: Promise<void> | undefined;
  #queuedBytes = 0;
  /** How large the chunks of a partition have lately been, so that a builder rarely has to grow. */
  readonly #usual = new Map<string, number>();

  constructor(private readonly options: GroupCommitOptions) {}

  /** `partitions`: where each record goes. `bytes`: about how much they take in all. */
  append(records: readonly NewRecord[], partitions: readonly number[], bytes: number): Promise<readonly Position[]> {
    const { maxQueuedBytes, now } = this.options;
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > maxQueuedBytes) {
      const message = `${this.#queuedBytes} bytes are waiting to be written already (bound: ${maxQueuedBytes}); nothing was appended, retry later`;
      return Promise.reject(new Fault('MR_LOG_OVERLOADED', message, true));
    }
    this.#queuedBytes += bytes;
    const round = this.#round;
    round.bytes += bytes;
    const chunks: ChunkBuilder[] = [];
    const places: number[] = [];
    const time = now();
    for (let index = 0; index < records.length; index++) {
      const record = records[index] as NewRecord;
      const chunk = this.#chunkFor(round, record.topic, partitions[index] as number);
      chunks.push(chunk);
      places.push(chunk.add(record, time));
    }
    return new Promise((resolve, reject) => {
      round.waiters.push({ chunks, places, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #chunkFor(round: Round, topic: string, partition: number): ChunkBuilder {
    const id = `${topic}/${partition}`;
    const open = round.open.get(id);
    if (open && open.bytes < this.options.maxChunkBytes) return open;
    if (open) this.#usual.set(id, open.bytes);
    const chunk = new ChunkBuilder(topic, partition, this.#usual.get(id) ?? 0);
    round.open.set(id, chunk);
    round.chunks.push(chunk);
    return chunk;
  }

  async #run(): Promise<void> {
    while (this.#round.waiters.length > 0) {
      let round: Round | undefined;
      const take = () => {
        round = this.#round;
        this.#round = new Round();
        for (const [id, chunk] of round.open) this.#usual.set(id, Math.ceil(chunk.bytes * 1.25));
        return round.chunks;
      };
      try {
        await this.options.write(take, this.#round.bytes);
        if (round) this.#settle(round);
      } catch (error) {
        // A transaction that did not even begin has taken nothing; its appends must not wait for one that may never come either.
        if (!round) take();
        this.#fail(round as unknown as Round, error);
      } finally {
        // LMDB's list of what it has written leads to `take` until the next full collection, and to all that this would hold.
        round = undefined;
      }
    }
    this.#running = undefined;
  }

  #settle(round: Round): void {
    this.#queuedBytes -= round.bytes;
    this.options.committed(round.chunks);
    for (const { chunks, places, resolve } of round.waiters) {
      resolve(
        chunks.map((chunk, index) => ({ topic: chunk.topic, partition: chunk.partition, offset: chunk.base + (places[index] as number) })),
      );
    }
  }

  #fail(round: Round, cause: unknown): void {
    this.#queuedBytes -= round.bytes;
    const reason = cause instanceof Error ? cause.message : String(cause);
    // What was refused before anything was written is told as it is; what failed while it was written may have any cause.
    const isRefused = isFault(cause) && cause.isRefusal;
    const fault = isRefused ? cause : new Fault('MR_LOG_WRITE_FAILED', `the log could not be written: ${reason}`, true, { cause });
    for (const { reject } of round.waiters) reject(fault);
  }
}
