import type { EventLog, LogBatch } from '@millrace/event-log';
import type { Clock, Scheduler } from '@millrace/kernel';
import { TableProjection, type OfflineStore, type ProjectionObserver, type TableProjectionOptions } from '@millrace/offline-store';
import type { Logger } from 'pino';
import type { Health } from '../host/health.js';
import type { Lifecycle } from '../host/lifecycle.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import { traceBatch } from '../telemetry/traced-batch.js';
import { CatchUp } from './catch-up.js';
import { ConsumerWatch } from './consumer-watch.js';
import { refuseLogBehind } from './log-behind.js';
import { Sparing } from './sparing.js';

/** What the kit adds is left out: the store, the log, the clock, the scheduler and the observer. */
export type AddTableProjection<T> = Omit<TableProjectionOptions<T>, 'store' | 'log' | 'scheduler' | 'now' | 'observer'> & {
  /** Readiness waits until the table holds what was on the log when the projection started. Default: true. */
  readonly mustCatchUp?: boolean;
};

/** Anything that projects into a table and is run like {@link TableProjection}. */
export interface RunnableProjection {
  readonly name: string;
  readonly topic: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  lag(): number;
  assigned(): readonly number[];
  positions(): ReadonlyMap<number, number>;
}

/** A table is read by queries that hurry it; nobody else sees it later for this. */
const LINGER_MS = 50;
/** How often it is looked whether a projection has come to rest. */
const SETTLING_MS = 5;

export interface TableProjectionsOptions {
  readonly log: EventLog;
  readonly store: OfflineStore;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
}

/** Runs projections into the offline store: starts them, flushes them before the store closes, measures, watches and traces them. */
export class TableProjections {
  readonly #options: TableProjectionsOptions;
  readonly #running = new Map<string, RunnableProjection>();
  /** What is being started. */
  readonly #starting = new Map<string, Promise<void>>();

  constructor(options: TableProjectionsOptions) {
    this.#options = options;
  }

  /**
   * Makes and starts a projection of a topic into a table. The table has to be there: migrate first. A projection of the same name, topic and
   * table that runs already is given instead of a second one (the platform hosts services that share some).
   */
  async add<T>(options: AddTableProjection<T>): Promise<TableProjection<T>> {
    const { mustCatchUp, ...rest } = options;
    const running = this.#running.get(options.name);
    if (running instanceof TableProjection && running.topic === options.topic && running.table === options.table) {
      await this.#starting.get(options.name);
      return running as TableProjection<T>;
    }
    return this.run(
      options.name,
      options.topic,
      (common) => new TableProjection<T>({ lingerMs: LINGER_MS, ...rest, ...common }),
      mustCatchUp,
    );
  }

  /** Runs a projection made by `make`, which gets what the kit gives every projection. */
  async run<P extends RunnableProjection>(
    name: string,
    topic: string,
    make: (common: Pick<TableProjectionOptions<never>, 'store' | 'log' | 'scheduler' | 'now' | 'observer'>) => P,
    mustCatchUp = true,
  ): Promise<P> {
    const { store, log, scheduler, clock, health, metrics } = this.#options;
    if (this.#running.has(name)) throw new Error(`there is already a projection called ${name} in this process`);
    const watch = new ConsumerWatch(this.#options, name, topic);
    const projection = make({ store, log, scheduler, now: () => clock.now(), observer: this.#observer(name, watch) });
    this.#running.set(name, projection);
    const starting = this.#start(projection, watch, mustCatchUp);
    this.#starting.set(name, starting);
    try {
      await starting;
      return projection;
    } catch (error) {
      // Whoever adds it again has it tried again, and is told the same for as long as it is so.
      if (this.#running.get(name) === projection) this.#running.delete(name);
      health.forget(name);
      metrics.forget(name);
      await projection.stop().catch(() => undefined);
      throw error;
    } finally {
      this.#starting.delete(name);
    }
  }

  async #start(projection: RunnableProjection, watch: ConsumerWatch, mustCatchUp: boolean): Promise<void> {
    const { log, health, lifecycle } = this.#options;
    const { name, topic } = projection;
    const catchUp = mustCatchUp ? await CatchUp.start(log, topic, { name, holds: '' }) : undefined;
    if (projection instanceof TableProjection) {
      const table = projection as TableProjection<unknown>;
      await refuseLogBehind(log, topic, { name: `the table ${table.table}`, holds: this.#holdsOf(table.table) }, await table.checkpoints());
    }
    const takeBack = lifecycle.add('projections', name, () => projection.stop());
    try {
      await projection.start();
    } catch (error) {
      takeBack();
      throw error;
    }
    watch.follow(projection);
    if (catchUp) health.catchUp(name, () => catchUp.missingAt(projection.positions()));
  }

  /** A table is its own checkpoint. In process, nobody can drop one alone. */
  #holdsOf(table: string): string {
    if (this.#options.store.kind === 'server') return `the table ${table} and its rows in millrace.rowless_tails`;
    return `the table ${table}, which is in the folder offline in MILLRACE_DATA_DIR with the tables of all sources`;
  }

  /** Resolves once every table holds what its topic holds. */
  async settled(): Promise<void> {
    for (const projection of this.#running.values()) {
      if (projection instanceof TableProjection) await projection.barrier();
      else while (projection.lag() > 0) await new Promise<void>((resolve) => void this.#options.scheduler.after(SETTLING_MS, resolve));
    }
  }

  /** Stops one projection before the process ends; its name is free again. */
  async remove(projection: RunnableProjection): Promise<void> {
    if (this.#running.get(projection.name) !== projection) return;
    this.#running.delete(projection.name);
    this.#options.health.forget(projection.name);
    this.#options.metrics.forget(projection.name);
    await projection.stop();
  }

  #observer(name: string, watch: ConsumerWatch): ProjectionObserver {
    const { metrics, telemetry, logger, clock } = this.#options;
    const log = logger.child({ projection: name });
    const sparing = new Sparing(clock, 1000);
    return {
      ...watch.observer,
      handled: (consumer: string, batch: LogBatch, items: number, milliseconds: number) => {
        watch.observer.handled(consumer, batch, items, milliseconds);
        traceBatch(telemetry, name, batch.topic, batch.partition, batch.records, milliseconds);
      },
      inserted: (_projection, _partition, rows, bytes, milliseconds) => {
        metrics.insertedRows.inc({ projection: name }, rows);
        metrics.insertedBytes.inc({ projection: name }, bytes);
        metrics.insertSeconds.observe({ projection: name }, milliseconds / 1000);
      },
      insertFailed: (_projection, partition, reason, attempt) => {
        metrics.insertFailures.inc({ projection: name });
        sparing.run('insert', (unsaid) => log.warn({ partition, reason, attempt, unsaid }, 'insert failed; trying again'));
      },
    };
  }
}
