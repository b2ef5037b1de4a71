import type { Experiment, Experiments } from '../domain/experiments/experiments.decider.js';

export type ExperimentOrderKey = 'name' | 'experiment_id' | 'creation_time' | 'last_update_time';

export interface ExperimentSearch {
  readonly matches: (experiment: Experiment) => boolean;
  readonly orders: readonly { readonly key: ExperimentOrderKey; readonly ascending: boolean }[];
}

const VALUES: Readonly<Record<ExperimentOrderKey, (experiment: Experiment) => string | number>> = {
  name: (experiment) => experiment.name,
  experiment_id: (experiment) => Number(experiment.id),
  creation_time: (experiment) => experiment.createdAt,
  last_update_time: (experiment) => experiment.updatedAt,
};

/** The newest first when nothing else is asked. */
const DEFAULT_ORDER = [
  { key: 'creation_time', ascending: false },
  { key: 'experiment_id', ascending: true },
] as const;

/** Experiments that match, in order. The catalog is one state in memory, so a search is a filter over it. */
export function searchExperiments(catalog: Experiments, search: ExperimentSearch): Experiment[] {
  const orders = search.orders.length > 0 ? [...search.orders] : [...DEFAULT_ORDER];
  if (!orders.some(({ key }) => key === 'experiment_id')) orders.push({ key: 'experiment_id', ascending: false });
  return [...catalog.byId.values()].filter(search.matches).sort((a, b) => {
    for (const { key, ascending } of orders) {
      const [left, right] = [VALUES[key](a), VALUES[key](b)];
      if (left !== right) return left < right === ascending ? -1 : 1;
    }
    return 0;
  });
}
