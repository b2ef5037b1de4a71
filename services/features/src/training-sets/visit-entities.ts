import { EntityHistory, jsonValue, type Value, type ViewPlan } from '@millrace/feature-engine';
import { quoteIdentifier, type ScratchTables } from '@millrace/offline-store';
import { viewHistories, type HistoriesOptions } from './view-histories.js';

export interface VisitOptions extends Omit<HistoriesOptions, 'keys'> {
  readonly scratch: ScratchTables;
}

/** Calls `visit` once for each entity (key text -> join keys in their order) with its history; an entity without events has an empty one. */
export async function visitEntities(
  { scratch, ...options }: VisitOptions,
  entities: ReadonlyMap<string, readonly Value[]>,
  visit: (key: string, history: EntityHistory) => void,
): Promise<void> {
  const { store, plan } = options;
  const left = new Set(entities.keys());
  const columns = plan.joinKeys.map((key) => `${quoteIdentifier(key.name)} ${key.type.name}`).join(', ');
  await scratch.with(`(${columns}) ENGINE = MergeTree ORDER BY tuple()`, async (table, bare) => {
    const rows = [...entities.values()].map((values) => entityOf(plan, values));
    if (rows.length > 0) await store.insert(bare, rows, `${bare}:0`);
    for await (const [key, history] of viewHistories({ ...options, keys: table })) {
      if (left.delete(key)) visit(key, history);
    }
  });
  const nothing = new EntityHistory(plan, []);
  for (const key of left) visit(key, nothing);
}

/** Join keys as JSON holds them. */
export function entityOf(plan: ViewPlan, values: readonly Value[]): Record<string, unknown> {
  return Object.fromEntries(plan.joinKeys.map((key, index) => [key.name, jsonValue(values[index] as Value)]));
}
