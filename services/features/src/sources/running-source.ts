import type { EventLog } from '@millrace/event-log';
import type { SourceEvent, ViewPlan } from '@millrace/feature-engine';
import type { Scheduler } from '@millrace/kernel';
import type { OfflineStore, TableProjection } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import type { LogConsumers, TableProjections } from '@millrace/service';
import type { Source } from '../definitions/feature-definitions.js';
import { OnlineProjection, type OnlineProjectionObserver } from '../projections/online-projection.js';
import { SourceReader } from './source-record.js';
import { ensureSourceTable, sourceRow, sourceTable } from './source-table.js';

export interface SourceHost {
  readonly log: EventLog;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly consumers: LogConsumers;
  readonly tables: TableProjections;
  readonly scheduler: Scheduler;
  readonly maxAheadMs: number;
  readonly maxCachedEvents: number;
  readonly observer: OnlineProjectionObserver;
  readonly judged: SourceJudgement;
}

/** Told of records of a source's topic, once for each time they are read into the table. */
export interface SourceJudgement {
  /** No event of the source. */
  refused(source: string, reason: string): void;
  /** An event with a value that is not as expected. */
  unexpected(source: string, column: string): void;
}

/** Who reads a source into its table, and writes the letters of what is no event of it. */
export function tableProjectionName(source: string): string {
  return `features.${source}.table`;
}

/** Partitions of a source topic that we make; a producer that needs more makes it first or says so in the source. */
const DEFAULT_PARTITIONS = 4;

/** One source in operation: its topic, its table, its views online. */
export class RunningSource {
  /** Names the definition it runs; another one needs another instance. */
  readonly fingerprint: string;
  #online: OnlineProjection | undefined;

  private constructor(
    readonly source: Source,
    readonly reader: SourceReader,
    readonly partitions: number,
    readonly table: TableProjection<SourceEvent>,
    private readonly host: SourceHost,
  ) {
    this.fingerprint = fingerprintOf(source);
  }

  static async start(host: SourceHost, source: Source): Promise<RunningSource> {
    const { log, offline, tables, maxAheadMs } = host;
    const { plan } = source;
    const partitions = await ensureTopic(log, plan.topic, source.partitions);
    await ensureSourceTable(offline, plan);
    const reader = new SourceReader(source, { partitions, maxAheadMs });
    const table = await tables.add<SourceEvent>({
      name: tableProjectionName(plan.name),
      topic: plan.topic,
      table: sourceTable(plan.name),
      shared: true,
      decode: (record) => {
        const event = reader.decode(record);
        if (event.ok === true)
          for (const { expectation } of reader.unexpected(event.value)) host.judged.unexpected(plan.name, expectation.spec.column);
        else if (event.ok === false) host.judged.refused(plan.name, event.reason);
        return event;
      },
      toRows: (item) => sourceRow(plan, item.value, item.record.timestamp),
    });
    return new RunningSource(source, reader, partitions, table, host);
  }

  get online(): OnlineProjection | undefined {
    return this.#online;
  }

  /** Keeps exactly these views online. */
  async serve(views: readonly ViewPlan[]): Promise<void> {
    if (this.#online) return this.#online.change(views);
    if (views.length === 0) return;
    const { log, online, consumers, scheduler, maxCachedEvents, observer } = this.host;
    const projection = new OnlineProjection(
      {
        source: this.source.plan.name,
        topic: this.source.plan.topic,
        reader: this.reader,
        log,
        store: online,
        consumers,
        scheduler,
        maxCachedEvents,
        observer,
      },
      views,
    );
    try {
      await projection.start();
    } catch (error) {
      // It is tried again, with another one.
      await projection.stop();
      throw error;
    }
    this.#online = projection;
  }

  async stop(): Promise<void> {
    await this.#online?.stop();
    this.#online = undefined;
    await this.host.tables.remove(this.table);
  }
}

export function fingerprintOf({ plan, format, expectations }: Source): string {
  const { topic, eventTime, eventId, key, columns } = plan;
  const schema = columns.map(({ name, type }) => [name, type.name, type.nullable]);
  return JSON.stringify([topic, format, eventTime, eventId, key, schema, expectations.map(({ spec }) => spec)]);
}

/** A producer's topic keeps the count it has; one that we make has four unless the source says otherwise. */
async function ensureTopic(log: EventLog, topic: string, wanted: number | undefined): Promise<number> {
  const found = await log.partitions(topic);
  if (found !== undefined && wanted === undefined) return found;
  const partitions = wanted ?? DEFAULT_PARTITIONS;
  await log.ensureTopic({ name: topic, partitions, retention: 'forever' });
  return partitions;
}
