import type { OfflineStore } from '@millrace/offline-store';
import type { LoggedModel } from '../domain/logged-model/logged-model.decider.js';
import type { LoggedModelsView } from './logged-models-view.js';
import { latestOfMetric, modelsMeasured, type DatasetFilter, type NumericOperator } from './model-metrics.query.js';

export interface LoggedModelOrder {
  /** A metric's latest value, or what `valueOf` reads of the model. */
  readonly by: { readonly metric: string; readonly datasets: readonly DatasetFilter[] } | ((model: LoggedModel) => string | number | null);
  readonly ascending: boolean;
}

export interface LoggedModelSearch {
  readonly experimentIds: readonly string[];
  /** Set when the filter asks for the models of one run. */
  readonly sourceRunId: string | undefined;
  readonly matches: (model: LoggedModel) => boolean;
  readonly metrics: readonly { readonly key: string; readonly operator: NumericOperator; readonly value: number }[];
  readonly datasets: readonly DatasetFilter[];
  readonly orders: readonly LoggedModelOrder[];
}

/**
 * Logged models that match, in order: the newest first when nothing else decides. What they are is in this process, what was measured of
 * them is in the offline store and is asked for only when the search speaks of it.
 */
export async function searchLoggedModels(view: LoggedModelsView, store: OfflineStore, search: LoggedModelSearch): Promise<LoggedModel[]> {
  const { experimentIds, sourceRunId, metrics, datasets } = search;
  const wanted = new Set(experimentIds);
  const candidates =
    sourceRunId === undefined
      ? [...view.inExperiments(wanted)]
      : [...view.ofRun(sourceRunId)].filter((model) => wanted.has(model.experimentId));
  let models = candidates.filter(search.matches);
  if (models.length === 0) return [];
  const tests = metrics.length === 0 && datasets.length > 0 ? [null] : metrics;
  for (const test of tests) {
    const measured = await modelsMeasured(store, experimentIds, test, datasets);
    models = models.filter((model) => measured.has(model.modelId));
  }
  const orders = await Promise.all(
    search.orders.map(async ({ by, ascending }) => {
      if (typeof by === 'function') return { read: by, ascending };
      const latest = await latestOfMetric(store, experimentIds, by.metric, by.datasets);
      return { read: (model: LoggedModel) => latest.get(model.modelId) ?? null, ascending };
    }),
  );
  orders.push({ read: (model) => model.createdAt, ascending: false }, { read: (model) => model.modelId, ascending: true });
  return models.sort((a, b) => {
    for (const { read, ascending } of orders) {
      const order = compare(read(a), read(b), ascending);
      if (order !== 0) return order;
    }
    return 0;
  });
}

/** Without a value comes last, NaN just before that, whichever the direction. */
function compare(left: string | number | null, right: string | number | null, ascending: boolean): number {
  const [a, b] = [rank(left), rank(right)];
  if (a !== b) return a - b;
  if (left === right || left === null || right === null || a === 1) return 0;
  return left < right === ascending ? -1 : 1;
}

function rank(value: string | number | null): number {
  if (value === null) return 2;
  return Number.isNaN(value) ? 1 : 0;
}
