import type { UnitExposed } from '../domain/prediction/prediction.js';

/**
 * Lets one exposure per (experiment, episode of it, unit, variant) through and forgets the oldest beyond its capacity. It only spares the log:
 * readers count the first exposure of a unit however often it comes.
 */
export class ExposureFilter {
  readonly #seen = new Set<string>();

  constructor(private readonly capacity: number) {}

  isNew(exposure: UnitExposed, episode?: string): boolean {
    const key = JSON.stringify([exposure.experiment, episode, exposure.unit, exposure.variant]);
    if (this.#seen.delete(key)) {
      this.#seen.add(key);
      return false;
    }
    this.#seen.add(key);
    if (this.#seen.size > this.capacity) this.#seen.delete(this.#seen.values().next().value as string);
    return true;
  }
}
