import type { LoggedDecision } from '@millrace/kernel';
import type { OfflineStore } from './offline-store.js';
import type { TableProjectionOptions } from './table-projection.js';

export const DECISIONS_TABLE = 'millrace.decisions';

export interface DecisionsProjectionOptions {
  readonly store: OfflineStore;
  readonly domain: string;
  /** The domain's decisions topic. */
  readonly topic: string;
  /** What a fold of the same topic in this process has found; what it does not know is asked of the table. */
  readonly verdicts?: DecisionVerdicts;
  /** Subjects whose last sequence is kept in memory; the others are asked of the table, once a batch. */
  readonly maxCachedSubjects?: number;
}

/** Which decisions the rule accepts, by somebody who has applied it to all of them. */
export interface DecisionVerdicts {
  /** Resolves when everything before `nextOffset` is judged. */
  upTo(partition: number, nextOffset: number): Promise<void>;
  /** `undefined`: not known here. */
  isAccepted(partition: number, offset: number, subject: string): boolean | undefined;
  /** The table holds everything before `next`. */
  forget(partition: number, next: number): void;
}

/** The part of a {@link TableProjection}'s options that makes it the decisions' one; how a record is read is up to who folds the topic beside it. */
export type DecisionsProjection = Required<
  Pick<TableProjectionOptions<LoggedDecision>, 'topic' | 'table' | 'toRows' | 'prepare' | 'onAssigned' | 'onStored'>
>;

interface LastAccepted {
  readonly sequence: number;
  readonly partition: number;
  readonly offset: number;
}

/** Parameters travel in the URL to a server; this many subjects stay well under its limit. */
const SUBJECTS_A_QUERY = 500;

/**
 * A domain's accepted decisions as rows of `millrace.decisions`. The rule is the fold's: a record is accepted iff its sequence is
 * its subject's last accepted sequence + 1. Who folds the topic beside the projection says which these are (`verdicts`); else the last sequences
 * are the table's own rows, so a restart goes on where the table ends.
 *
 * ```ts
 * const decode = (record) => decodeDecision('tracking', record);
 * new TableProjection({ ...decisionsProjection({ store, domain: 'tracking', topic }), decode, store, log, name: 'tracking.decisions', scheduler, now });
 * ```
 */
export function decisionsProjection(options: DecisionsProjectionOptions): DecisionsProjection {
  const { store, domain, topic, verdicts } = options;
  const last = new LastSequences(options.maxCachedSubjects ?? 50_000);
  return {
    topic,
    table: DECISIONS_TABLE,
    onAssigned: (partition, next) => last.assigned(partition, next),
    onStored: (partition, next) => {
      last.stored(partition, next);
      verdicts?.forget(partition, next);
    },
    prepare: async ({ partition, items, nextOffset }) => {
      await verdicts?.upTo(partition, nextOffset);
      const unjudged = items.filter(({ record, value }) => verdicts?.isAccepted(partition, record.offset, value.subject) === undefined);
      const missing = last.missing(
        partition,
        unjudged.map((item) => item.value.subject),
      );
      for (let from = 0; from < missing.length; from += SUBJECTS_A_QUERY) {
        const subjects = missing.slice(from, from + SUBJECTS_A_QUERY);
        const found = await store.query<{ subject: string; sequence: string }>(
          `SELECT subject, max(sequence) AS sequence FROM ${DECISIONS_TABLE}
           WHERE _topic = {topic:String} AND subject IN {subjects:Array(String)} GROUP BY subject`,
          { topic, subjects },
        );
        const sequences = new Map(found.map((row) => [row.subject, Number(row.sequence)]));
        for (const subject of subjects) last.loaded(subject, partition, sequences.get(subject) ?? 0);
      }
    },
    toRows: ({ record, value }) => {
      const { subject, sequence } = value;
      const accepted = verdicts?.isAccepted(record.partition, record.offset, subject) ?? sequence === last.of(subject) + 1;
      if (!accepted) return undefined;
      last.accepted(subject, { sequence, partition: record.partition, offset: record.offset });
      const { type, version, commandId: command_id, actor, keyId: key_id = '', time } = value;
      const data = record.value.toString('utf8');
      return { domain, type, version, subject, sequence, command_id, actor, key_id, time: new Date(time).toISOString(), data };
    },
  };
}

/** The last accepted sequence of each subject: the least recently changed ones go, once the table has them. */
class LastSequences {
  readonly #bySubject = new Map<string, LastAccepted>();
  readonly #stored = new Map<number, number>();
  /** Partitions of which every subject is here, because they were read from their beginning and none has gone. */
  readonly #complete = new Set<number>();

  constructor(private readonly limit: number) {}

  assigned(partition: number, next: number): void {
    for (const [subject, entry] of this.#bySubject) if (entry.partition === partition) this.#bySubject.delete(subject);
    this.#stored.set(partition, next);
    if (next === 0) this.#complete.add(partition);
    else this.#complete.delete(partition);
  }

  stored(partition: number, next: number): void {
    this.#stored.set(partition, next);
  }

  missing(partition: number, subjects: readonly string[]): string[] {
    this.#evict();
    if (this.#complete.has(partition)) return [];
    return [...new Set(subjects)].filter((subject) => !this.#bySubject.has(subject));
  }

  loaded(subject: string, partition: number, sequence: number): void {
    this.#bySubject.set(subject, { sequence, partition, offset: -1 });
  }

  of(subject: string): number {
    return this.#bySubject.get(subject)?.sequence ?? 0;
  }

  accepted(subject: string, entry: LastAccepted): void {
    this.#bySubject.delete(subject);
    this.#bySubject.set(subject, entry);
  }

  /** Between batches only: within one, what was loaded must stay. */
  #evict(): void {
    let surplus = this.#bySubject.size - this.limit;
    for (const [subject, { partition, offset }] of this.#bySubject) {
      if (surplus <= 0) return;
      if (offset >= (this.#stored.get(partition) ?? 0)) continue;
      this.#bySubject.delete(subject);
      this.#complete.delete(partition);
      surplus--;
    }
  }
}
