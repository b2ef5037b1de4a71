import type { SourcePlan, ViewPlan } from '@millrace/feature-engine';
import { quoteTable, type OfflineStore } from '@millrace/offline-store';
import { EVENTS_PREFIX, eventsView } from './events-view.js';
import { FEATURES_PREFIX, featuresView } from './features-view.js';

/** Keeps the views that analysts ask in line with what is applied. The tables of the sources have to be there. */
export class AnalystViews {
  /** Name -> the statement that made it. */
  #made = new Map<string, string>();

  constructor(private readonly store: OfflineStore) {}

  /** Makes the views of these sources and feature views, anew where a definition has changed, and drops those of what is gone. */
  async arrange(sources: readonly SourcePlan[], views: readonly ViewPlan[]): Promise<void> {
    const wanted = new Map<string, string>();
    for (const plan of sources) wanted.set(`${EVENTS_PREFIX}${plan.name}`, eventsView(plan));
    const names = new Set(sources.map((plan) => plan.name));
    for (const plan of views) {
      const statement = names.has(plan.source.name) ? featuresView(plan) : undefined;
      if (statement !== undefined) wanted.set(`${FEATURES_PREFIX}${plan.name}`, statement);
    }
    for (const [name, statement] of wanted) {
      if (this.#made.get(name) === statement) continue;
      await this.store.command(statement);
      this.#made.set(name, statement);
    }
    const found = await this.store.query<{ name: string }>(
      `SELECT name FROM system.tables WHERE database = 'millrace' AND engine = 'View' AND (startsWith(name, {events:String}) OR startsWith(name, {features:String}))`,
      { events: EVENTS_PREFIX, features: FEATURES_PREFIX },
    );
    for (const { name } of found) {
      if (wanted.has(name)) continue;
      await this.store.command(`DROP VIEW IF EXISTS ${quoteTable(`millrace.${name}`)}`);
      this.#made.delete(name);
    }
  }
}
