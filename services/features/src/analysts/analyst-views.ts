import type { SourcePlan, ViewPlan } from '@millrace/feature-engine';
import type { Scheduler } from '@millrace/kernel';
import { quoteTable, type OfflineStore } from '@millrace/offline-store';
import { EVENTS_PREFIX, eventsView } from './events-view.js';
import { FEATURES_PREFIX, featuresView } from './features-view.js';

export interface AnalystViewsHost {
  readonly store: OfflineStore;
  readonly scheduler: Scheduler;
  /** Told of what could not be brought about; it is tried again. */
  readonly failed: (what: string, error: unknown) => void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Keeps the views that analysts ask in line with what is applied. Nothing rests on them but what analysts ask: one that cannot be made keeps neither the
 * others nor their callers waiting, and is tried again by itself.
 */
export class AnalystViews {
  readonly #host: AnalystViewsHost;
  /** Name -> the statement that made it. */
  readonly #made = new Map<string, string>();
  #wanted: ReadonlyMap<string, string> = new Map();
  #work: Promise<void> = Promise.resolve();
  #pauseMs = FIRST_PAUSE_MS;
  #cancelRetry: (() => void) | undefined;
  #isStopped = false;

  constructor(host: AnalystViewsHost) {
    this.#host = host;
  }

  /**
   * Makes the views of these sources and feature views, anew where a definition has changed, and drops those of what is gone. The tables of the sources have to be
   * there. Resolves when each was tried once; never throws.
   */
  arrange(sources: readonly SourcePlan[], views: readonly ViewPlan[]): Promise<void> {
    const wanted = new Map<string, string>();
    for (const plan of sources) wanted.set(`${EVENTS_PREFIX}${plan.name}`, eventsView(plan));
    const names = new Set(sources.map((plan) => plan.name));
    for (const plan of views) {
      const statement = names.has(plan.source.name) ? featuresView(plan) : undefined;
      if (statement !== undefined) wanted.set(`${FEATURES_PREFIX}${plan.name}`, statement);
    }
    this.#wanted = wanted;
    this.#pauseMs = FIRST_PAUSE_MS;
    return this.#round();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry?.();
    await this.#work;
  }

  #round(): Promise<void> {
    this.#work = this.#work.then(async () => {
      this.#cancelRetry?.();
      this.#cancelRetry = undefined;
      if (this.#isStopped || (await this.#attempt()) || this.#isStopped) return;
      this.#cancelRetry = this.#host.scheduler.after(this.#pauseMs, () => void this.#round());
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    });
    return this.#work;
  }

  async #attempt(): Promise<boolean> {
    const { store, failed } = this.#host;
    const wanted = this.#wanted;
    let isDone = true;
    const attempt = async (what: string, run: () => Promise<void>): Promise<void> => {
      try {
        await run();
      } catch (error) {
        isDone = false;
        failed(what, error);
      }
    };
    for (const [name, statement] of wanted) {
      if (this.#made.get(name) === statement) continue;
      await attempt(`make analysts' view ${name}`, async () => {
        await store.command(statement);
        this.#made.set(name, statement);
      });
    }
    await attempt("drop analysts' views of what is gone", async () => {
      const found = await store.query<{ name: string }>(
        `SELECT name FROM system.tables WHERE database = 'millrace' AND engine = 'View' AND (startsWith(name, {events:String}) OR startsWith(name, {features:String}))`,
        { events: EVENTS_PREFIX, features: FEATURES_PREFIX },
      );
      for (const { name } of found) {
        if (wanted.has(name)) continue;
        await store.command(`DROP VIEW IF EXISTS ${quoteTable(`millrace.${name}`)}`);
        this.#made.delete(name);
      }
    });
    return isDone;
  }
}
