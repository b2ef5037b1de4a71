import type { Registry } from 'prom-client';

// Metrics that are told of every request. prom-client's own check and sort the labels each time, which takes as long as the rest of what is measured; these look
// one key up. To a registry they are metrics like its others.

interface HotMetricOptions<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly L[];
  readonly registers: readonly Registry[];
}

type Labels<L extends string> = Readonly<Record<L, string>>;
type Value = { readonly value: number; readonly labels: Readonly<Record<string, string | number>>; readonly metricName?: string };

interface Series<L extends string, S> {
  readonly labels: Labels<L>;
  readonly state: S;
}

/** Series by the values of their labels. */
abstract class HotMetric<L extends string, S> {
  readonly name: string;
  readonly help: string;
  readonly aggregator = 'sum';
  abstract readonly type: string;
  readonly #labelNames: readonly L[];
  readonly #series = new Map<string, Series<L, S>>();
  /** Most often the same is told of again. */
  #last: Series<L, S> | undefined;

  constructor({ name, help, labelNames, registers }: HotMetricOptions<L>) {
    this.name = name;
    this.help = help;
    this.#labelNames = labelNames;
    // The registry asks a metric for no more than `get` and `reset`, though its type names the classes of the package.
    for (const registry of registers) registry.registerMetric(this as never);
  }

  /** What a scrape is given. */
  get(): { name: string; help: string; type: string; aggregator: string; values: Value[] } {
    const { name, help, type, aggregator } = this;
    const values = [...this.#series.values()].flatMap(({ labels, state }) => this.values(labels, state));
    return { name, help, type, aggregator, values };
  }

  reset(): void {
    this.#last = undefined;
    this.#series.clear();
  }

  protected abstract fresh(): S;
  protected abstract values(labels: Labels<L>, state: S): Value[];

  protected stateOf(labels: Labels<L>): S {
    const last = this.#last;
    if (last && this.#labelNames.every((label) => last.labels[label] === labels[label])) return last.state;
    let key = '';
    for (const label of this.#labelNames) key += `${labels[label]}\u0000`;
    let series = this.#series.get(key);
    if (!series) {
      series = { labels: { ...labels }, state: this.fresh() };
      this.#series.set(key, series);
    }
    this.#last = series;
    return series.state;
  }
}

export class HotCounter<L extends string> extends HotMetric<L, { total: number }> {
  readonly type = 'counter';

  inc(labels: Labels<L>, by = 1): void {
    this.stateOf(labels).total += by;
  }

  protected fresh(): { total: number } {
    return { total: 0 };
  }

  protected values(labels: Labels<L>, { total }: { total: number }): Value[] {
    return [{ value: total, labels }];
  }
}

interface Observed {
  sum: number;
  count: number;
  /** By bucket, not cumulative; the last is beyond all bounds. */
  readonly counts: number[];
}

export class HotHistogram<L extends string> extends HotMetric<L, Observed> {
  readonly type = 'histogram';
  readonly #bounds: readonly number[];

  /** `buckets`: upper bounds, ascending. */
  constructor(options: HotMetricOptions<L> & { readonly buckets: readonly number[] }) {
    super(options);
    this.#bounds = options.buckets;
  }

  observe(labels: Labels<L>, value: number): void {
    const state = this.stateOf(labels);
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    state.counts[bucket] = (state.counts[bucket] as number) + 1;
    state.sum += value;
    state.count++;
  }

  protected fresh(): Observed {
    return { sum: 0, count: 0, counts: Array.from({ length: this.#bounds.length + 1 }, () => 0) };
  }

  protected values(labels: Labels<L>, { sum, count, counts }: Observed): Value[] {
    const metricName = `${this.name}_bucket`;
    let below = 0;
    const buckets = this.#bounds.map((le, index): Value => {
      below += counts[index] as number;
      return { metricName, value: below, labels: { le, ...labels } };
    });
    return [
      ...buckets,
      { metricName, value: count, labels: { le: '+Inf', ...labels } },
      { metricName: `${this.name}_sum`, value: sum, labels },
      { metricName: `${this.name}_count`, value: count, labels },
    ];
  }
}
