import { assigner } from '@millrace/assignment';
import type { ExperimentSpec, Resource, ResourceCatalog } from '@millrace/resources';
import type { Experiment } from './domain/experiment/experiment.js';

/** An experiment and its assignment function, made once per version of the resource. */
export interface RunningExperiment {
  readonly experiment: Experiment;
  readonly variantOf: (unit: string) => string | null;
}

/** The experiments as they are applied now. */
export class Experiments {
  readonly #running = new Map<string, RunningExperiment>();

  constructor(catalog: ResourceCatalog) {
    catalog.onChange('Experiment', ({ name, resource }) => {
      if (resource) this.#running.set(name, runningOf(resource));
      else this.#running.delete(name);
    });
  }

  get(name: string): RunningExperiment | undefined {
    return this.#running.get(name);
  }
}

function runningOf({ name, spec }: Resource<'Experiment'>): RunningExperiment {
  const experiment = experimentOf(name, spec);
  return { experiment, variantOf: assigner(experiment) };
}

export function experimentOf(name: string, spec: ExperimentSpec): Experiment {
  const { unit, salt = name, traffic = 1, metrics = [] } = spec;
  return { name, salt, traffic, unit, variants: spec.variants.map((variant) => ({ name: variant.name, weight: variant.weight })), metrics };
}
