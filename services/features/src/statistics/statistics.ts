import type { ServedView, SourcePlan, ViewPlan } from '@millrace/feature-engine';
import type { Scheduler } from '@millrace/kernel';
import { tableExists, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import type { FeatureDefinitions } from '../definitions/feature-definitions.js';
import { Rounds } from '../rounds.js';
import type { Sources } from '../sources/sources.js';
import { sampleEvents } from './event-values.js';
import { readStatistics, type ColumnStatistics, type StatisticsSelection } from './read-statistics.js';
import { countSegments, forgetOtherDefinitions, type Progress, type SegmentedTable } from './segments.js';
import { isTimeFeature, PREDICTIONS_TABLE, SERVED_FEATURES, servedStatisticsColumns } from './served-statistics.js';
import { sourceColumns, sourceStatisticsColumns } from './source-statistics.js';
import { Turns } from './turns.js';

export interface StatisticsOptions {
  readonly store: OfflineStore;
  readonly scratch: ScratchTables;
  readonly definitions: FeatureDefinitions;
  readonly sources: Pick<Sources, 'get' | 'list' | 'notRunning'>;
  readonly scheduler: Scheduler;
  readonly now: () => number;
  readonly everyMs: number;
  /** Events of an hour whose features are computed, at most; 0: none. */
  readonly sampleRows: number;
  /** How long a question waits for the table of its source. */
  readonly queryDeadlineMs: number;
  /** Resolves when the predictions the log holds are in their table; false when there is no such table yet. */
  readonly waitForPredictions: (deadlineMs: number) => Promise<boolean>;
  /** It is tried again at the next round. */
  readonly failed: (what: string, error: unknown) => void;
}

export interface StatisticsAnswer {
  readonly columns: readonly ColumnStatistics[];
  /** Records that are in the table and not in the numbers, and hours whose features are still to be computed. 0 of both: nothing is missing. */
  readonly behind: { readonly records: number; readonly hours: number };
}

/** Queries a question may make to catch up; a source that has only been found takes the rounds in the background. */
const MOST_QUERIES = 20;
/** Between the queries of a round, so that a source with years of events leaves the store to others. */
const PAUSE_MS = 250;
const HOUR_MS = 3_600_000;

/**
 * Keeps statistics of sources' columns, served values and features at event times: a round every while counts what came since, and a question counts what is
 * missing first. Nobody owns anything: what one process writes another would write the same.
 */
export class Statistics {
  readonly #options: StatisticsOptions;
  readonly #turns = new Turns();
  readonly #rounds: Rounds;

  constructor(options: StatisticsOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.scheduler, options.everyMs, () => this.#round());
  }

  start(): void {
    this.#rounds.start();
  }

  /** Lets a running round come to the end of its present step. */
  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** Of columns of a source; all of them when none is named. */
  async ofSource(name: string, columns: readonly string[], selection: StatisticsSelection): Promise<StatisticsAnswer> {
    const plan = await this.#upToDate(name);
    const { behind } = await this.#catchUp(sourceColumns(plan));
    const found = await readStatistics(this.#options.store, sourceColumns(plan), sourceStatisticsColumns(plan, columns), selection);
    return { columns: found, behind: { records: behind, hours: 0 } };
  }

  /** Of a view's features at the times of events: a sample of each hour. */
  async ofEvents(plan: ViewPlan, features: readonly string[], selection: StatisticsSelection): Promise<StatisticsAnswer> {
    const { store, sampleRows } = this.#options;
    await this.#upToDate(plan.source.name);
    const progress = await this.#catchUp(sourceColumns(plan.source));
    const hours = sampleRows === 0 ? 0 : await this.#sample(plan);
    const columns = features.map((name) => {
      const isTime = isTimeFeature(plan.features.find((feature) => feature.name === name));
      return { column: name, isTime, label: name };
    });
    const subject = { of: 'events', name: plan.name, definition: plan.version } as const;
    return { columns: await readStatistics(store, subject, columns, selection), behind: { records: progress.behind, hours } };
  }

  /** Of a view's features as the gateway answered from them, in whatever feature service. */
  async ofServed(plan: ServedView, features: readonly string[], selection: StatisticsSelection): Promise<StatisticsAnswer> {
    const { store, definitions, waitForPredictions, queryDeadlineMs } = this.#options;
    if (!(await reached(waitForPredictions(queryDeadlineMs), true))) {
      return { columns: features.map((name) => ({ name, series: [] })), behind: { records: 0, hours: 0 } };
    }
    const { behind } = await this.#catchUp(SERVED_FEATURES);
    const services = definitions.servedServices().flatMap((name) => {
      const service = definitions.service(name);
      return service ? [{ name, plan: service }] : [];
    });
    const columns = servedStatisticsColumns(services, plan.name, features);
    const found = new Map((await readStatistics(store, SERVED_FEATURES, columns, selection)).map((one) => [one.name, one]));
    return { columns: features.map((name) => found.get(name) ?? { name, series: [] }), behind: { records: behind, hours: 0 } };
  }

  /** A source as it runs, once its table holds what the log does. */
  async #upToDate(name: string): Promise<SourcePlan> {
    const running = this.#options.sources.get(name);
    if (!running) throw this.#options.sources.notRunning(name);
    await reached(running.table.barrier(this.#options.queryDeadlineMs));
    return running.source.plan;
  }

  /** Counts what is missing, as far as a question may. */
  #catchUp(table: SegmentedTable): Promise<Progress> {
    return this.#turns.run(`${table.of} ${table.name}`, () => countSegments(this.#options.store, table, undefined, MOST_QUERIES));
  }

  async #round(): Promise<void> {
    const { store, definitions, sources, sampleRows } = this.#options;
    for (const running of sources.list()) {
      const { plan } = running.source;
      await this.#attempt(`the columns of source ${plan.name}`, async () => {
        const table = sourceColumns(plan);
        await this.#count(table, running.table.assigned());
        await forgetOtherDefinitions(store, table);
      });
    }
    await this.#attempt('the served features', async () => {
      if (await tableExists(store, PREDICTIONS_TABLE)) await this.#count(SERVED_FEATURES);
    });
    for (const plan of sampleRows === 0 ? [] : definitions.views()) {
      const running = sources.get(plan.source.name);
      // Who reads the source's first partition computes its views; the others need not.
      if (!running?.table.assigned().includes(0)) continue;
      await this.#attempt(`the features of view ${plan.name}`, async () => {
        await this.#sample(plan, Math.floor(this.#options.now() / HOUR_MS) * HOUR_MS);
      });
    }
  }

  async #count(table: SegmentedTable, partitions?: readonly number[]): Promise<void> {
    let behind = Infinity;
    while (!this.#rounds.isStopped) {
      const progress = await countSegments(this.#options.store, table, partitions, 1);
      if (progress.behind === 0 || progress.behind >= behind) return;
      behind = progress.behind;
      await new Promise<void>((resolve) => void this.#options.scheduler.after(PAUSE_MS, resolve));
    }
  }

  /** Computes the newest hours before a time that are due; how many are left. */
  #sample(plan: ViewPlan, before?: number): Promise<number> {
    const what = before === undefined ? 'asked' : 'past';
    return this.#turns.run(`${what} ${plan.name} ${plan.version}`, () => sampleEvents(this.#options, plan, before));
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#rounds.isStopped) return;
    try {
      await work();
    } catch (error) {
      this.#options.failed(what, error);
    }
  }
}

/** A table that does not come to where the log is in time is answered from as it is: the answer tells how far it is behind. */
async function reached<T>(wait: Promise<T>, otherwise?: T): Promise<T | undefined> {
  try {
    return await wait;
  } catch (error) {
    if ((error as { code?: string }).code === 'MR_DEADLINE_EXCEEDED') return otherwise;
    throw error;
  }
}
