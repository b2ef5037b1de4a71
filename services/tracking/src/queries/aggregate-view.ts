import { aggregateOf, type DecisionReplica, type LoggedDecision } from '@millrace/kernel';

/** The domain's decisions as this view reads them. */
export interface AggregateLog {
  readonly replica: DecisionReplica;
  barrier(): Promise<void>;
  onAccepted(listener: (record: LoggedDecision) => void): () => void;
}

/**
 * The subjects of one aggregate as this process has folded them. It keeps their names in memory, so that a search of the few hundred
 * there are goes through them and no others; the states are the replica's.
 */
export class AggregateView<State> {
  readonly #subjects = new Set<string>();
  readonly #scanned: Promise<void>;

  /** Make it right after the domain was opened: what is accepted from then on is heard, what was stored before is read. */
  constructor(
    private readonly log: AggregateLog,
    private readonly aggregate: string,
  ) {
    log.onAccepted(({ subject }) => {
      if (aggregateOf(subject) === aggregate) this.#subjects.add(subject);
    });
    this.#scanned = this.#scan();
    // Whoever asks is told; until then a failure must not end the process.
    this.#scanned.catch(() => undefined);
  }

  /** Waits until every decision the log holds now is folded. */
  async upToDate(): Promise<void> {
    await this.#scanned;
    await this.log.barrier();
  }

  one(id: string): State {
    return this.log.replica.subject(`${this.aggregate}/${id}`).state as State;
  }

  *all(): Generator<State> {
    for (const subject of this.#subjects) yield this.log.replica.subject(subject).state as State;
  }

  /** Each with the id of its subject. */
  *entries(): Generator<[id: string, state: State]> {
    for (const subject of this.#subjects)
      yield [subject.slice(this.aggregate.length + 1), this.log.replica.subject(subject).state as State];
  }

  clear(): void {
    this.#subjects.clear();
  }

  async #scan(): Promise<void> {
    for await (const [subject] of this.log.replica.subjects(`${this.aggregate}/`)) this.#subjects.add(subject);
  }
}
