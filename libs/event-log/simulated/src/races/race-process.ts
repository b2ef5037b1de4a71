import { decodeDecision, LogJournal, type LogRecord } from '@millrace/event-log';
import {
  CommandHandler,
  DecisionReplica,
  MemoryStateStore,
  type CommandMetadata,
  type CommandOutcome,
  type LoggedDecision,
  type ReplicaOptions,
  type StateCommit,
  type SubjectState,
} from '@millrace/kernel';
import type { SimulatedBroker } from '../simulated-broker.js';
import type { SimulatedEventLog } from '../simulated-event-log.js';
import { ledger, type LedgerCommand, type LedgerEvent, type LedgerRejection } from './ledger.decider.js';

export const DOMAIN = 'races';
export const TOPIC = 'millrace.races.decisions';
export const PARTITIONS = 2;

export type LedgerOutcome = CommandOutcome<LedgerEvent, LedgerRejection>;

/** A way to break the kernel, to show that the checker would notice. */
export interface Mutation {
  readonly name: string;
  /** The broken replica; the sound one when absent. */
  readonly replica?: new (options: ReplicaOptions) => DecisionReplica;
}

/** State that outlives its process. Copies both ways, as a disk does: states go on changing after they are stored or read. */
export class SurvivingStateStore extends MemoryStateStore {
  override subject(subject: string): SubjectState | undefined {
    return structuredClone(super.subject(subject));
  }

  override commit(commits: readonly StateCommit[]): Promise<void> {
    return super.commit(structuredClone(commits));
  }
}

/** One process of the race: a replica that follows the log, and a handler that writes to it. */
export class RaceProcess {
  readonly replica: DecisionReplica;
  readonly #client: SimulatedEventLog;
  readonly #handler: CommandHandler;

  constructor(
    private readonly broker: SimulatedBroker,
    name: string,
    store: MemoryStateStore,
    mutation: Mutation | undefined,
  ) {
    this.#client = broker.connect();
    const Replica = mutation?.replica ?? DecisionReplica;
    this.replica = new Replica({ topic: TOPIC, partitions: PARTITIONS, aggregates: { ledger }, store, scheduler: broker.time });
    this.#handler = new CommandHandler({
      replica: this.replica,
      journal: new LogJournal(this.#client, DOMAIN, TOPIC, PARTITIONS),
      clock: broker.time,
      scheduler: broker.time,
      writer: name,
      deadlineMs: 2_000,
    });
    const { replica } = this;
    void this.#client.subscribe({
      topic: TOPIC,
      from: (partition) => replica.positions()[partition] as number,
      onBatch: async ({ partition, records, nextOffset }) => {
        replica.apply(partition, decodeAll(records), nextOffset);
        if (broker.random.chance(0.2)) await replica.flush();
      },
    });
  }

  handle(subject: string, command: LedgerCommand, metadata: CommandMetadata): Promise<LedgerOutcome> {
    return this.#handler.handle<LedgerEvent, LedgerRejection>(subject, command, metadata);
  }

  /** Whether the replica has folded all that is in the log. */
  get isCaughtUp(): boolean {
    return this.replica.positions().every((next, partition) => next >= this.broker.records(TOPIC, partition).length);
  }

  crash(): void {
    this.#client.crash();
  }
}

export function decodeAll(records: readonly LogRecord[]): LoggedDecision[] {
  return records.map((record) => {
    const decoded = decodeDecision(DOMAIN, record);
    if (!decoded.ok) throw new Error(decoded.reason);
    return decoded.value;
  });
}
