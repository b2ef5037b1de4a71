import { decisionsTopic, PARTITIONS } from '@millrace/contracts';
import { LogJournal, type EventLog } from '@millrace/event-log';
import {
  CommandHandler,
  DecisionReplica,
  MemoryStateStore,
  type AnyDecider,
  type Clock,
  type Ids,
  type LoggedDecision,
  type Scheduler,
} from '@millrace/kernel';
import { decisionsProjection, type OfflineStore, type TableProjection } from '@millrace/offline-store';
import type { Logger } from 'pino';
import { createHash } from 'node:crypto';
import type { Health } from '../host/health.js';
import type { Lifecycle } from '../host/lifecycle.js';
import type { StateStores } from '../host/state-stores.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import { checkedJournal, decisionReader } from './decision-reader.js';
import { FollowedDomain, type DomainLog } from './domain-log.js';
import { FoldVerdicts } from './fold-verdicts.js';
import type { LogConsumers } from './log-consumers.js';
import type { TableProjections } from './table-projections.js';
import type { Reset } from '../reset/reset.js';
import { refuseLogBehind } from './log-behind.js';
import { LogEnds } from './log-ends.js';
import { ReplicaFlusher } from './replica-flusher.js';
import type { Topics } from './topics.js';

export interface OpenDomain {
  readonly domain: string;
  /** Aggregate name (a subject's part before the slash) -> decider. */
  readonly aggregates: Readonly<Record<string, AnyDecider>>;
  /** Schema version by event type; 1 when absent. */
  readonly versions?: Readonly<Record<string, number>>;
  /**
   * `durable`: folded state under the data directory, read on from there; listeners hear only what is new. `memory`: folded
   * from the start of the log each time, so listeners hear everything; for small domains. What is opened is durable, what is followed in
   * memory, unless they say otherwise.
   */
  readonly state?: 'durable' | 'memory';
  /** Raised when folding changes in a way the text of `evolve` does not show (in what it calls): stored state is then folded anew. */
  readonly foldVersion?: number;
}

/** A foreign domain: the events of others, folded by an `evolve` of one's own. */
export type FollowDomain = Omit<OpenDomain, 'versions'> & {
  /** Who follows; tells two followers of one process apart in metrics. */
  readonly as?: string;
};

export interface DomainLogsOptions {
  readonly log: EventLog;
  readonly topics: Topics;
  readonly states: StateStores;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly ids: Ids;
  readonly commandDeadlineMs: number;
  readonly queryDeadlineMs: number;
  readonly consumers: LogConsumers;
  readonly tables: TableProjections;
  readonly offline: OfflineStore;
  readonly lifecycle: Lifecycle;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly reset: Reset;
}

const FOLLOWER_LINGER_MS = 50;

/** The decisions this process folds: its own domains, with commands, and those of others, to look at. */
export class DomainLogs {
  readonly #options: DomainLogsOptions;
  readonly #opened = new Map<string, { aggregates: OpenDomain['aggregates']; domain: Promise<DomainLog> }>();
  readonly #followers = new Map<string, number>();

  constructor(options: DomainLogsOptions) {
    this.#options = options;
  }

  /**
   * Opens a domain for commands: durable state under the data directory, its topic followed from where the state ends. Opened once per process;
   * opening it again with the same deciders gives the same one. Does not wait for the fold to catch up: readiness does.
   */
  open(options: OpenDomain): Promise<DomainLog> {
    const { domain, aggregates } = options;
    const opened = this.#opened.get(domain);
    if (opened) {
      if (opened.aggregates === aggregates || sameDeciders(opened.aggregates, aggregates)) return opened.domain;
      return Promise.reject(new Error(`${domain} is open in this process already, with other deciders`));
    }
    const opening = this.#start(options, true);
    this.#opened.set(domain, { aggregates, domain: opening });
    opening.catch(() => this.#opened.delete(domain));
    return opening;
  }

  /** Follows a domain of another service: no commands. State in memory and folded from the start of the log, unless it is to be durable. */
  follow(options: FollowDomain): Promise<DomainLog> {
    return this.#start({ state: 'memory', ...options }, false);
  }

  async #start(options: OpenDomain & { as?: string }, isOwner: boolean): Promise<DomainLog> {
    const { log, topics, states, clock, scheduler, ids, consumers, lifecycle, logger, metrics, health } = this.#options;
    const { domain, aggregates, versions } = options;
    const topic = decisionsTopic(domain);
    await topics.ensure({ name: topic, partitions: PARTITIONS, retention: 'forever' });
    const name = isOwner ? `${domain}.replica` : this.#followerName(domain, options.as);
    const isDurable = options.state !== 'memory';
    const store = isDurable ? await states.open(isOwner ? domain : name, foldVersion(options)) : new MemoryStateStore();
    const reader = { name: `the stored state of ${domain}`, holds: 'the folder state in MILLRACE_DATA_DIR (of every service)' };
    await refuseLogBehind(log, topic, reader, store.positions());
    const replica = new DecisionReplica({ topic, partitions: PARTITIONS, aggregates, store, scheduler, keepsReplies: isOwner });
    const handler = isOwner
      ? new CommandHandler({
          replica,
          journal: checkedJournal(new LogJournal(log, domain, topic, PARTITIONS), domain),
          clock,
          scheduler,
          writer: ids.next(),
          deadlineMs: this.#options.commandDeadlineMs,
          ...(versions ? { versions } : {}),
        })
      : undefined;
    const verdicts = isOwner ? new FoldVerdicts(replica, scheduler) : undefined;
    // Closed after the consumer, which is added later: whatever stops after it may be waiting for the fold.
    lifecycle.add('consumers', `${name} waiters`, () => replica.ended());
    if (verdicts) lifecycle.add('consumers', `${name} verdicts`, () => verdicts.close());
    const table = verdicts ? await this.#project(domain, topic, verdicts) : undefined;
    const followed = new FollowedDomain({
      ...this.#options,
      domain,
      table,
      ends: new LogEnds(log, topic),
      replica,
      handler,
      now: () => clock.now(),
    });
    const flusher = new ReplicaFlusher(replica, scheduler, (error) =>
      logger.error({ err: error, domain }, 'the state could not be stored; trying again'),
    );
    lifecycle.add('replicas', name, () => flusher.stop());
    this.#options.reset.add('state', name, () => replica.clear());
    metrics.onScrape(`${name} counts`, () => {
      const labels = { domain, follower: name };
      for (const [verdict, count] of Object.entries(replica.counts)) metrics.replicaRecords.set({ ...labels, verdict }, count as number);
    });
    // In a macrotask of its own, so that whoever awaited this call can add listeners before the first record is folded.
    setImmediate(() => {
      if (lifecycle.isClosing) return;
      consumers
        .add<LoggedDecision>({
          name,
          topic,
          from: (partition) => {
            const next = replica.positions()[partition] ?? 0;
            verdicts?.began(partition, next);
            return next;
          },
          decode: decisionReader(domain),
          // Every process folds every decision; what cannot be read is put aside by the projection that shares the topic.
          writesDeadLetters: false,
          // Commands wait for the owner's fold; a follower is asked now and then, and is hurried when it is.
          lingerMs: isOwner ? 0 : FOLLOWER_LINGER_MS,
          handle: async (batch) => {
            const records = batch.items.map((item) => item.value);
            let accepted: readonly LoggedDecision[];
            try {
              accepted = replica.apply(batch.partition, records, batch.nextOffset);
            } catch (error) {
              health.fatal(name, replica.defect?.message ?? String(error));
              throw error;
            }
            verdicts?.folded(batch.partition, records, accepted, batch.nextOffset);
            followed.accepted(accepted);
            await flusher.changed();
            return { kind: 'ok' };
          },
        })
        .then((consumer) => followed.hurriedBy(() => consumer.hurry()))
        .catch((error: unknown) => {
          logger.fatal({ err: error, domain }, 'the decisions cannot be followed');
          health.fatal(name, error instanceof Error ? error.message : String(error));
        });
    });
    health.catchUp(name, () => 'not started yet');
    return followed;
  }

  /** Owners of a domain share its projection into the analysts' table; it also keeps the letters of what cannot be read. */
  #project(domain: string, topic: string, verdicts: FoldVerdicts): Promise<TableProjection<LoggedDecision>> {
    const { tables, offline } = this.#options;
    return tables.add<LoggedDecision>({
      ...decisionsProjection({ store: offline, domain, topic, verdicts }),
      decode: decisionReader(domain),
      name: `${domain}.decisions`,
      shared: true,
    });
  }

  #followerName(domain: string, as: string | undefined): string {
    const base = as === undefined ? `${domain}.follower` : `${as}.follows-${domain}`;
    const count = (this.#followers.get(base) ?? 0) + 1;
    this.#followers.set(base, count);
    return count === 1 ? base : `${base}-${count}`;
  }
}

/** Raised when it changes what is a decision at all, and so what any decider is given to fold. */
const READING_VERSION = 2;

/** State folded by other code is not state. The texts of the deciders' own functions catch most changes by themselves. */
function foldVersion({ aggregates, foldVersion = 1 }: OpenDomain): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(aggregates).sort()) {
    const parts = Object.entries(aggregates[name] as AnyDecider).filter(([part]) => part !== 'decide');
    hash.update(JSON.stringify([name, parts.map(([part, code]) => [part, String(code)])]));
  }
  return `${READING_VERSION} ${foldVersion} ${hash.digest('hex')}`;
}

function sameDeciders(a: OpenDomain['aggregates'], b: OpenDomain['aggregates']): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
