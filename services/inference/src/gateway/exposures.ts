import type { DeploymentDefinition, ExperimentDefinition } from '../domain/deployment/definitions.js';
import type { UnitExposed } from '../domain/prediction/prediction.js';

/**
 * Lets one exposure per (experiment, episode of it, unit, variant, version that it was) through and forgets the oldest beyond its capacity. It only spares the log:
 * readers count the first exposure of a unit however often it comes.
 */
export class ExposureFilter {
  readonly #seen = new Set<string>();

  constructor(private readonly capacity: number) {}

  isNew(exposure: UnitExposed, episode?: string): boolean {
    const { experiment, unit, variant, model, version } = exposure;
    const key = JSON.stringify([experiment, episode, unit, variant, model, version]);
    if (this.#seen.delete(key)) {
      this.#seen.add(key);
      return false;
    }
    this.#seen.add(key);
    if (this.#seen.size > this.capacity) this.#seen.delete(this.#seen.values().next().value as string);
    return true;
  }
}

const NONE: readonly UnitExposed[] = [];

/** Who of a request meets a variant, and which version it is. */
export function exposuresOf(
  experiment: ExperimentDefinition | undefined,
  { variant, rows }: { readonly variant: string | null; readonly rows: readonly number[] },
  units: readonly (string | null)[],
  deployment: DeploymentDefinition | undefined,
  { name: model, version }: { readonly name: string; readonly version: number },
): readonly UnitExposed[] {
  if (!experiment || variant === null) return NONE;
  const met = { experiment: experiment.name, variant, deployment: deployment?.name ?? null, model, version };
  return rows.flatMap((row) => {
    const unit = units[row];
    return typeof unit === 'string' ? [{ ...met, unit }] : [];
  });
}
