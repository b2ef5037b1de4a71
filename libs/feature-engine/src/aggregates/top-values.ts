import { jsonValue } from '../column-type.js';

type Counted = number | bigint | string;

/**
 * The most frequent values of a window, counted exactly; of values that are as frequent the lesser first, so there is one right answer. It costs a counter for
 * each different value while a window is read, and nothing is stored.
 */
export class TopValues {
  readonly #counts = new Map<Counted, number>();
  #ranked: Counted[] | undefined;

  constructor(private readonly isBool: boolean) {}

  add(value: Counted): void {
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + 1);
  }

  /** The first `k` as a JSON array. */
  first(k: number): string {
    this.#ranked ??= [...this.#counts].sort(byCount).map(([value]) => value);
    return JSON.stringify(this.#ranked.slice(0, k).map((value) => (this.isBool ? value === 1 : jsonValue(value))));
  }
}

function byCount([a, countOfA]: readonly [Counted, number], [b, countOfB]: readonly [Counted, number]): number {
  return countOfB - countOfA || (a < b ? -1 : 1);
}
