import type { GatewayObserver, RunReport } from '../gateway/gateway.js';

/** How often, and how long altogether, in milliseconds. */
export interface Tally {
  readonly count: number;
  readonly ms: number;
}

export interface BatchStatistics {
  readonly batchSize: number;
  readonly computeInput: Tally;
  readonly computeInfer: Tally;
  readonly computeOutput: Tally;
}

/** Of one version behind one name, since the process started. */
export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970; 0 before the first answer. */
  readonly lastInference: number;
  /** Rows answered. */
  readonly inferences: number;
  /** Runs of the model. */
  readonly executions: number;
  readonly success: Tally;
  readonly fail: Tally;
  readonly queue: Tally;
  readonly computeInput: Tally;
  readonly computeInfer: Tally;
  readonly computeOutput: Tally;
  readonly batches: readonly BatchStatistics[];
}

/** Names come from requests that found a model, so they are as many as the models; the one longest unused goes first. */
const MOST_VERSIONS = 1000;
/** Of one version; runs of more different sizes are counted, but not by their size. */
const MOST_BATCH_SIZES = 512;

/** Counts what the gateway answers, for the protocol's statistics extension. */
export class ServingStatistics implements GatewayObserver {
  readonly #versions = new Map<string, Counters>();
  #uses = 0;

  ran(report: RunReport, time: number): void {
    const counters = this.#countersOf(report);
    const { rows, batchRows, inputMs, queueMs, computeMs, outputMs } = report;
    // The requests of one run each bring their part of it, and the parts make one.
    const share = rows / Math.max(rows, batchRows);
    counters.lastInference = time;
    counters.inferences += rows;
    counters.executions += share;
    counters.success.add(1, inputMs + queueMs + computeMs + outputMs);
    counters.queue.add(1, queueMs);
    counters.input.add(1, inputMs);
    counters.infer.add(1, computeMs);
    counters.output.add(1, outputMs);
    let batch = counters.batches.get(batchRows);
    if (!batch) {
      if (counters.batches.size >= MOST_BATCH_SIZES) return;
      batch = { input: new MutableTally(), infer: new MutableTally(), output: new MutableTally() };
      counters.batches.set(batchRows, batch);
    }
    batch.input.add(share, inputMs);
    batch.infer.add(share, computeMs * share);
    batch.output.add(share, outputMs);
  }

  failed(report: Pick<RunReport, 'name' | 'version'> & { readonly totalMs: number }): void {
    this.#countersOf(report).fail.add(1, report.totalMs);
  }

  /** Of one name and version, of one name, or of all. */
  of(name?: string, version?: string): ModelStatistics[] {
    return [...this.#versions.values()]
      .filter((counters) => (name === undefined || counters.name === name) && (version === undefined || counters.version === version))
      .map((counters) => counters.snapshot());
  }

  #countersOf({ name, version }: { readonly name: string; readonly version: number }): Counters {
    const key = `${version}/${name}`;
    let counters = this.#versions.get(key);
    if (!counters) {
      if (this.#versions.size >= MOST_VERSIONS) this.#forgetOne();
      counters = new Counters(name, String(version));
      this.#versions.set(key, counters);
    }
    counters.used = ++this.#uses;
    return counters;
  }

  #forgetOne(): void {
    let [oldest, used] = ['', Infinity];
    for (const [key, counters] of this.#versions) if (counters.used < used) [oldest, used] = [key, counters.used];
    this.#versions.delete(oldest);
  }
}

/** Of a version nobody has asked yet. */
export function noStatistics(name: string, version: string): ModelStatistics {
  return new Counters(name, version).snapshot();
}

class MutableTally {
  #count = 0;
  #ms = 0;

  add(count: number, ms: number): void {
    this.#count += count;
    this.#ms += ms;
  }

  /** Parts of runs add up to whole ones, but for the last bits. */
  snapshot(): Tally {
    return { count: Math.round(this.#count), ms: this.#ms };
  }
}

class Counters {
  /** When it was last used, counted in uses of all: kept in their order, each answer would make another table of the map. */
  used = 0;
  lastInference = 0;
  inferences = 0;
  executions = 0;
  readonly success = new MutableTally();
  readonly fail = new MutableTally();
  readonly queue = new MutableTally();
  readonly input = new MutableTally();
  readonly infer = new MutableTally();
  readonly output = new MutableTally();
  readonly batches = new Map<number, { readonly input: MutableTally; readonly infer: MutableTally; readonly output: MutableTally }>();

  constructor(
    readonly name: string,
    readonly version: string,
  ) {}

  snapshot(): ModelStatistics {
    const { name, version, lastInference, inferences } = this;
    return {
      ...{ name, version, lastInference, inferences },
      executions: Math.round(this.executions),
      success: this.success.snapshot(),
      fail: this.fail.snapshot(),
      queue: this.queue.snapshot(),
      computeInput: this.input.snapshot(),
      computeInfer: this.infer.snapshot(),
      computeOutput: this.output.snapshot(),
      batches: [...this.batches]
        .sort(([one], [other]) => one - other)
        .map(([batchSize, { input, infer, output }]) => ({
          batchSize,
          computeInput: input.snapshot(),
          computeInfer: infer.snapshot(),
          computeOutput: output.snapshot(),
        })),
    };
  }
}
