import { isFault, Fault, type CommandMetadata, type Ids, type LoggedDecision, type Position, type Scheduler } from '@millrace/kernel';
import type { DomainLog } from '@millrace/service';
import { isBatch, type BatchSource, type FeatureDefinitions, type Source } from '../definitions/feature-definitions.js';
import {
  MATERIALIZATION,
  materializationSubject,
  NO_ROWS,
  runningOf,
  runOf,
  watermarkOf,
  type MaterializationCommand,
  type MaterializationRejection,
  type MaterializationRun,
  type MaterializationState,
} from '../domain/materialization/materialization.decider.js';
import type { MaterializationEvent, RowCounts } from '../domain/materialization/materialization.events.js';
import { dueSlot } from '../domain/materialization/schedule.js';
import { failureOf } from '../training-sets/build-training-set.js';
import { checkOrigin } from './check-origin.js';
import { materializeInterval, type IntervalHost, type RunningBatch } from './materialize-interval.js';

export interface MaterializationsOptions extends IntervalHost {
  readonly domain: DomainLog;
  readonly definitions: FeatureDefinitions;
  /** The reader of a source as it runs here in this version; waits until it does. */
  readonly readerOf: (source: Source) => Promise<RunningBatch['reader']>;
  readonly ids: Ids;
  readonly scheduler: Scheduler;
  /** A run that showed no sign of life for so long is taken over by another process. */
  readonly silentForMs: number;
  /** No other process can be reading rows. */
  readonly isAlone: boolean;
  readonly observer: MaterializationsObserver;
}

export interface MaterializationsObserver {
  readonly ended: (source: string, status: 'finished' | 'failed' | 'cancelled' | 'lost') => void;
  readonly rows: (source: string, rows: RowCounts) => void;
  /** How far the materialized sources are behind, in milliseconds. */
  readonly behind: (lags: ReadonlyMap<string, number>) => void;
  /** It is tried again, unless it is told that it is not. */
  readonly failed: (source: string, error: unknown, isTriedAgain: boolean) => void;
}

/** Event times, milliseconds since the epoch. `from`: null is the first row, undefined where the last run ended less the lookback. */
export interface Asked {
  readonly from?: number | null | undefined;
  /** Now when absent. */
  readonly to?: number | undefined;
}

export interface RequestedMaterialization {
  readonly id: string;
  readonly position: Position;
}

const LOOK_EVERY_MS = 1_000;
const MOST_AT_ONCE = 2;
const TRIES = 6;
const FIRST_PAUSE_MS = 500;

/**
 * Materializes the sources that have a query, a table or files: on request and as their schedules say. The log lets one run of a source begin
 * at a time and one process read for it. A run whose process is gone is taken over where it has come to: at the next start, or by another
 * process after {@link MaterializationsOptions.silentForMs}.
 */
export class Materializations {
  readonly #options: MaterializationsOptions;
  /** Tells this process from all others and from itself before. */
  readonly #runner: string;
  /** Sources of which a run is under way, here or elsewhere. */
  readonly #open = new Set<string>();
  /** By source: a run that was cancelled is here until its page is over, and the next one after it. */
  readonly #here = new Map<string, Promise<void>>();
  readonly #totals = new Map<string, number>();
  readonly #waiters = new Map<string, Set<() => void>>();
  #cancelLook: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: MaterializationsOptions) {
    this.#options = options;
    this.#runner = options.ids.next();
    options.domain.onAccepted((record) => this.#accepted(record));
  }

  /** Takes up what earlier processes left, and begins to keep the schedules. */
  async start(): Promise<void> {
    const { domain } = this.#options;
    await domain.barrier();
    for await (const [subject, { state }] of domain.replica.subjects(`${MATERIALIZATION}/`)) {
      if (runningOf(state as MaterializationState)) this.#open.add(subject.slice(MATERIALIZATION.length + 1));
    }
    this.#lookNext(0);
  }

  state(source: string): MaterializationState {
    return this.#options.domain.replica.subject(materializationSubject(source)).state as MaterializationState;
  }

  /** Rows of a run's interval, where this process reads them. */
  total(id: string): number | undefined {
    return this.#totals.get(id);
  }

  /** Begins a run of a source. A fault of code `MR_FEATURES_MATERIALIZATION_RUNNING` names the one that is under way. */
  async request(name: string, asked: Asked, metadata: CommandMetadata): Promise<RequestedMaterialization> {
    const source = this.batchSource(name);
    await checkOrigin(this.#options, source);
    return this.#begin(source, { from: asked.from, to: asked.to ?? metadata.now }, 'request', metadata);
  }

  /** The source, if it is one with rows to materialize; else a fault that says why not. */
  batchSource(name: string): BatchSource {
    const source = this.#options.definitions.source(name);
    if (!source) throw new Fault('MR_FEATURES_SOURCE_NOT_FOUND', `there is no source ${JSON.stringify(name)}; apply it first`, false);
    if (!isBatch(source)) {
      const message = `source ${name} is filled by those who write its events; only one with a query, a table or files is materialized`;
      throw new Fault('MR_FEATURES_SOURCE_NOT_BATCH', message, false);
    }
    return source;
  }

  /** Stops a run; what it has brought stays. */
  async cancel(source: string, materializationId: string, metadata: CommandMetadata): Promise<Position> {
    return this.#handle(source, { type: 'CancelMaterialization', materializationId }, metadata);
  }

  /** Resolves when a run is over, or after so long; tells whether it is. */
  async settled(source: string, id: string, waitMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(resolve));
    const cancel = this.#options.scheduler.after(waitMs, resolve);
    const isOver = (): boolean => runOf(this.state(source), id)?.status !== 'running';
    if (!isOver()) await promise;
    cancel();
    waiters.delete(resolve);
    if (waiters.size === 0) this.#waiters.delete(id);
    return isOver();
  }

  /** Lets what is under way come to the end of its page; the run goes on with the next process. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelLook?.();
    for (const waiters of this.#waiters.values()) for (const told of waiters) told();
    await this.#looking;
    await Promise.all(this.#here.values());
  }

  #accepted({ subject, type, data }: LoggedDecision): void {
    if (!subject.startsWith(`${MATERIALIZATION}/`)) return;
    const source = subject.slice(MATERIALIZATION.length + 1);
    if (type === 'MaterializationStarted') this.#open.add(source);
    if (type !== 'MaterializationFinished' && type !== 'MaterializationFailed' && type !== 'MaterializationCancelled') return;
    this.#open.delete(source);
    for (const told of this.#waiters.get((data as { materializationId: string }).materializationId) ?? []) told();
  }

  #lookNext(afterMs: number): void {
    if (this.#isStopped) return;
    this.#cancelLook = this.#options.scheduler.after(afterMs, () => {
      this.#looking = this.#look().finally(() => this.#lookNext(LOOK_EVERY_MS));
    });
  }

  async #look(): Promise<void> {
    const { definitions, now, observer } = this.#options;
    for (const source of [...this.#open]) await this.#attempt(source, () => this.#takeUp(source));
    const lags = new Map<string, number>();
    for (const source of definitions.sources()) {
      if (!isBatch(source)) continue;
      const { name } = source.plan;
      const watermark = watermarkOf(this.state(name), source.version);
      if (watermark !== undefined) lags.set(name, Math.max(0, now() - watermark));
      await this.#attempt(name, () => this.#keepSchedule(source));
    }
    observer.behind(lags);
  }

  async #attempt(source: string, work: () => Promise<void>): Promise<void> {
    if (this.#isStopped) return;
    try {
      await work();
    } catch (error) {
      this.#options.observer.failed(source, error, true);
    }
  }

  async #keepSchedule(source: BatchSource): Promise<void> {
    const { everyMs } = source.batch;
    if (everyMs === undefined) return;
    const { name } = source.plan;
    const now = this.#options.now();
    const to = dueSlot(this.state(name), source.version, everyMs, now);
    if (to === undefined) return;
    // All processes that find it due ask for it by one id, and it is one run.
    const commandId = `schedule:${name}:${source.version}:${to}`;
    try {
      await this.#begin(source, { from: undefined, to }, 'schedule', { commandId, actor: 'features', now });
    } catch (error) {
      if (!isFault(error) || error.code !== 'MR_FEATURES_MATERIALIZATION_RUNNING') throw error;
    }
  }

  async #begin(
    source: BatchSource,
    { from, to }: { readonly from: number | null | undefined; readonly to: number },
    trigger: 'request' | 'schedule',
    metadata: CommandMetadata,
  ): Promise<RequestedMaterialization> {
    const { name } = source.plan;
    const { version, batch } = source;
    const materializationId = this.#options.ids.derived(metadata.commandId, `materialization of ${name}`);
    const interval = { from, to, lookback: batch.lookbackMs };
    const command: MaterializationCommand = {
      type: 'StartMaterialization',
      ...{ materializationId, source: name, version, interval, trigger, runner: this.#runner },
    };
    const position = await this.#handle(name, command, metadata);
    void this.#attempt(name, () => this.#takeUp(name));
    return { id: materializationId, position };
  }

  /** Runs what is this process's to run, or what nobody runs any more. */
  async #takeUp(source: string): Promise<void> {
    const run = runningOf(this.state(source));
    if (!run || this.#isStopped || this.#here.has(source) || this.#here.size >= MOST_AT_ONCE) return;
    const { isAlone, silentForMs, now } = this.#options;
    if (run.runner !== this.#runner) {
      const limit = isAlone ? 0 : silentForMs;
      if (now() - run.seenAt < limit) return;
      try {
        await this.#tell(source, { type: 'TakeOverMaterialization', materializationId: run.id, runner: this.#runner, silentForMs: limit });
      } catch (error) {
        if (isLost(error)) return;
        throw error;
      }
    }
    if (this.#here.has(source)) return;
    const work = this.#run(source, run.id).finally(() => {
      this.#here.delete(source);
      this.#totals.delete(run.id);
    });
    this.#here.set(source, work);
  }

  async #run(source: string, id: string): Promise<void> {
    const { observer, scheduler } = this.#options;
    const endSigns = this.#signsOfLife(source, id);
    let pause = FIRST_PAUSE_MS;
    try {
      for (let tries = 1; ; tries++) {
        const before = runOf(this.state(source), id)?.reached;
        try {
          await this.#interval(source, id);
          await this.#tell(source, { type: 'FinishMaterialization', materializationId: id, runner: this.#runner });
          return observer.ended(source, 'finished');
        } catch (error) {
          if (this.#isStopped) return;
          if (isLost(error)) return observer.ended(source, runOf(this.state(source), id)?.status === 'cancelled' ? 'cancelled' : 'lost');
          if (runOf(this.state(source), id)?.reached !== before) [tries, pause] = [0, FIRST_PAUSE_MS];
          const isTriedAgain = isFault(error) && error.retryable && tries < TRIES;
          observer.failed(source, error, isTriedAgain);
          if (!isTriedAgain) {
            await this.#tell(source, {
              type: 'FailMaterialization',
              materializationId: id,
              runner: this.#runner,
              failure: failureOf(error),
            });
            return observer.ended(source, 'failed');
          }
        }
        await new Promise<void>((resolve) => void scheduler.after(pause, resolve));
        pause *= 2;
      }
    } catch (error) {
      // The log cannot be told; the run is still this process's, which looks for it again.
      if (!isLost(error)) observer.failed(source, error, true);
    } finally {
      endSigns();
    }
  }

  async #interval(name: string, id: string): Promise<void> {
    const { definitions, readerOf } = this.#options;
    const run = runOf(this.state(name), id) as MaterializationRun;
    await materializeInterval(
      this.#options,
      { ...run },
      {
        source: async () => {
          if (this.#isStopped) throw new Error('the process stops');
          const source = definitions.source(name);
          if (!source || !isBatch(source) || source.version !== run.version) throw sourceChanged(name, run.version);
          return { source, reader: await readerOf(source) };
        },
        counted: (rows) => this.#totals.set(id, (runOf(this.state(name), id)?.rows.read ?? 0) + rows),
        progress: async (to, rows, rejected) => {
          await this.#tell(name, { type: 'ProgressMaterialization', materializationId: id, runner: this.#runner, to, rows, rejected });
          this.#options.observer.rows(name, rows);
          // What was written when it was cancelled is counted; no more is.
          if (runOf(this.state(name), id)?.status !== 'running') throw runOver(id);
        },
      },
    );
  }

  /** Nobody takes a run away while its query takes its time. */
  #signsOfLife(source: string, id: string): () => void {
    const { scheduler, silentForMs, now } = this.#options;
    let cancel = (): void => {};
    const next = (): void => {
      cancel = scheduler.after(Math.max(1, Math.floor(silentForMs / 4)), () => {
        const run = runOf(this.state(source), id);
        if (!run || run.status !== 'running' || this.#isStopped) return;
        next();
        if (now() - run.seenAt < silentForMs / 4) return;
        const command = { materializationId: id, runner: this.#runner, to: run.reached, rows: NO_ROWS, rejected: [] };
        this.#tell(source, { type: 'ProgressMaterialization', ...command }).catch(() => undefined);
      });
    };
    next();
    return () => cancel();
  }

  #tell(source: string, command: MaterializationCommand): Promise<unknown> {
    const { ids, now } = this.#options;
    return this.#handle(source, command, { commandId: ids.next(), actor: 'features', now: now() });
  }

  async #handle(source: string, command: MaterializationCommand, metadata: CommandMetadata): Promise<Position> {
    const { domain } = this.#options;
    const outcome = await domain.handle<MaterializationEvent, MaterializationRejection>(materializationSubject(source), command, metadata);
    if (outcome.kind !== 'rejected') return outcome.position;
    const { code, message, details } = outcome.rejection;
    const text = code === 'MR_FEATURES_MATERIALIZATION_INVALID' ? `${message}: ${intervalText(details)}` : message;
    throw new Fault(code, text, false, details ? { details } : {});
  }
}

/** Times as text, which the domain has no clock to make. */
function intervalText(details: Readonly<Record<string, unknown>> | undefined): string {
  const [from, to] = ['from', 'to'].map((name) => new Date(Number(details?.[name])).toISOString());
  return `from is ${from}, to is ${to}`;
}

function sourceChanged(name: string, version: number): Fault {
  const message = `source ${name} is not version ${version} any more; materialize the new one`;
  return new Fault('MR_FEATURES_BATCH', message, false);
}

function runOver(id: string): Fault {
  return new Fault('MR_FEATURES_MATERIALIZATION_OVER', `materialization ${id} is over`, false);
}

/** The run is over, or another process's. */
function isLost(error: unknown): boolean {
  return isFault(error) && ['MR_FEATURES_MATERIALIZATION_OVER', 'MR_FEATURES_MATERIALIZATION_TAKEN'].includes(error.code);
}
