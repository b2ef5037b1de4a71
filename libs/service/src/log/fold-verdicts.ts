import { PositionWaiters, type DecisionReplica, type LoggedDecision, type Scheduler } from '@millrace/kernel';
import type { DecisionVerdicts } from '@millrace/offline-store';

const DEADLINE_MS = 30_000;

/**
 * What this process's fold said to each decision it has met, for the table of decisions beside it: which of them are void has been found
 * out once, and need not be asked of the table again. Only the void ones are kept; there are few.
 */
export class FoldVerdicts implements DecisionVerdicts {
  /** Where this process began to fold. */
  readonly #from = new Map<number, number>();
  readonly #next = new Map<number, number>();
  readonly #void = new Map<number, Set<number>>();
  readonly #waiters: PositionWaiters;
  #isClosed = false;

  constructor(
    private readonly replica: Pick<DecisionReplica, 'topic' | 'aggregate'>,
    scheduler: Scheduler,
  ) {
    this.#waiters = new PositionWaiters(scheduler);
  }

  began(partition: number, offset: number): void {
    if (this.#from.has(partition)) return;
    this.#from.set(partition, offset);
    this.#next.set(partition, offset);
  }

  /** `accepted` of `records`, in order. What was folded before is known, and is not judged by its coming again. */
  folded(partition: number, records: readonly LoggedDecision[], accepted: readonly LoggedDecision[], nextOffset: number): void {
    const next = this.#next.get(partition) ?? 0;
    let at = 0;
    for (const record of records) {
      if (accepted[at] === record) at++;
      else if (record.position.offset >= next) this.#voids(partition).add(record.position.offset);
    }
    this.#next.set(partition, Math.max(next, nextOffset));
    this.#waiters.passed(partition, nextOffset);
  }

  async upTo(partition: number, nextOffset: number): Promise<void> {
    const next = this.#next.get(partition);
    if (this.#isClosed || (next !== undefined && next >= nextOffset)) return;
    await this.#waiters.wait({ topic: this.replica.topic, partition, offset: nextOffset - 1 }, DEADLINE_MS);
  }

  isAccepted(partition: number, offset: number, subject: string): boolean | undefined {
    const from = this.#from.get(partition);
    if (from === undefined || offset < from || offset >= (this.#next.get(partition) as number)) return undefined;
    // A decision on something that only a newer build knows is not folded here, and yet it was made.
    if (!this.replica.aggregate(subject)) return undefined;
    return !this.#void.get(partition)?.has(offset);
  }

  /** Nobody asks for what is before `next` any more, unless the table is made anew: then the table is asked again. */
  forget(partition: number, next: number): void {
    const from = this.#from.get(partition);
    if (from === undefined || next <= from) return;
    this.#from.set(partition, next);
    const voids = this.#void.get(partition);
    for (const offset of voids ?? []) if (offset < next) voids?.delete(offset);
  }

  /** The fold has stopped: nobody waits for it, and what it has not judged is asked of the table. */
  close(): void {
    this.#isClosed = true;
    for (const partition of this.#next.keys()) this.#waiters.passed(partition, Infinity);
  }

  #voids(partition: number): Set<number> {
    let voids = this.#void.get(partition);
    if (!voids) this.#void.set(partition, (voids = new Set()));
    return voids;
  }
}
