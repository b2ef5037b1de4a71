import type { MetricPoint } from '../../domain/metric-points/metric-points.js';
import type { Run } from '../../domain/run/run.decider.js';
import { withTieBreaks, type FoundRun, type RunCursor, type RunSearch } from '../search-runs.query.js';
import { bitsOf, fromBits } from './compare.js';
import { ExperimentIndex, type RowKey, type RunPart } from './experiment-index.js';

export interface RunIndexOptions {
  /** A run as it is folded now. */
  readonly run: (runId: string) => Run | undefined;
  readonly metrics: (runId: string) => readonly MetricPoint[];
  /** Memory the columns may take; beyond it the index is given up. */
  readonly maxBytes?: number;
}

/** A run and its latest metrics, as they were stored. */
export interface StoredRun {
  readonly run: Run;
  readonly metrics: readonly MetricPoint[];
}

const MAX_BYTES = 2 * 1024 ** 3;
/** Changed runs that wait until somebody searches. */
const MOST_CHANGED = 2_000;
const MEASURE_EVERY = 10_000;
const LOAD_AT_ONCE = 500;

/** A row of one of the experiments that are searched, with its sort keys. */
interface Candidate {
  readonly experiment: ExperimentIndex;
  readonly row: number;
  readonly keys: readonly (number | string)[];
}

/**
 * All runs by column in this process's memory, so that a search asks no database and waits for none: it sees what is folded. Loaded from the
 * folds after a start, then kept up by being told which runs have changed. When the columns outgrow their bound the index lets go of
 * everything and answers no more; searches then go to ClickHouse, which holds the same.
 */
export class RunIndex {
  readonly #experiments = new Map<string, ExperimentIndex>();
  readonly #changed = new Set<string>();
  #puts = 0;
  #isLoaded = false;
  #isGivenUp = false;

  constructor(private readonly options: RunIndexOptions) {}

  /** Whether a search is answered here. */
  get isReady(): boolean {
    return this.#isLoaded && !this.#isGivenUp;
  }

  get bytes(): number {
    let bytes = 0;
    for (const experiment of this.#experiments.values()) bytes += experiment.bytes;
    return bytes;
  }

  /** Takes in every run as it was stored; `pause` lets others go on between two helpings. What {@link changed} told meanwhile is newer and stays. */
  async load(runs: AsyncIterable<StoredRun>, pause: () => Promise<void>): Promise<void> {
    let count = 0;
    for await (const { run, metrics } of runs) {
      if (!this.#experiments.get(run.experimentId)?.has(run.runId)) this.#put(run, metrics);
      if (++count % LOAD_AT_ONCE === 0) await pause();
      if (this.#isGivenUp) return;
    }
    this.#isLoaded = true;
  }

  /** A run, or its metrics, are folded anew. */
  changed(runId: string): void {
    if (this.#isGivenUp) return;
    this.#changed.add(runId);
    if (this.#changed.size >= MOST_CHANGED) this.#catchUp();
  }

  search(search: RunSearch): FoundRun[] {
    this.#catchUp();
    const { limit, after } = search;
    const best = new Best(limit + 1);
    for (const [id, part] of scopes(search)) {
      const experiment = this.#experiments.get(id);
      if (!experiment) continue;
      const keys = withTieBreaks(search.orders).flatMap((order) => experiment.keys(order));
      const tests = search.criteria.map((criterion) => experiment.test(criterion));
      const cursor = after && placeOf(keys, after);
      best.orderBy(keys);
      // The newest runs come first in most orders, and what stands before all that was seen costs the most.
      for (let row = experiment.size - 1; row >= 0; row--) {
        if (!experiment.isIn(part, row)) continue;
        if (!tests.every((passes) => passes(row))) continue;
        if (cursor && compareRow(keys, row, cursor) <= 0) continue;
        best.offer(experiment, row);
      }
    }
    return best.inOrder().map(({ experiment, row, keys }) => ({ id: experiment.ids.id(row), cursor: best.cursorOf(keys) }));
  }

  /** Forgets every run. */
  clear(): void {
    this.#experiments.clear();
    this.#changed.clear();
    this.#isGivenUp = false;
  }

  #catchUp(): void {
    for (const runId of this.#changed) {
      const run = this.options.run(runId);
      if (run) this.#put(run, this.options.metrics(runId));
    }
    this.#changed.clear();
  }

  #put(run: Run, metrics: readonly MetricPoint[]): void {
    if (this.#isGivenUp) return;
    let experiment = this.#experiments.get(run.experimentId);
    if (!experiment) this.#experiments.set(run.experimentId, (experiment = new ExperimentIndex()));
    experiment.put(run, metrics);
    if (++this.#puts % MEASURE_EVERY === 0 && this.bytes > (this.options.maxBytes ?? MAX_BYTES)) {
      this.#isGivenUp = true;
      this.#experiments.clear();
      this.#changed.clear();
    }
  }
}

function* scopes({ allIn, activeIn, deletedIn }: RunSearch): Iterable<[id: string, part: RunPart]> {
  for (const id of allIn) yield [id, 'all'];
  for (const id of activeIn) yield [id, 'active'];
  for (const id of deletedIn) yield [id, 'deleted'];
}

/** The first so many of what is offered: a heap with the last of them on top, so that most of what is offered is compared once and let go. */
class Best {
  readonly #heap: Candidate[] = [];
  #keys: readonly RowKey[] = [];

  constructor(private readonly size: number) {}

  /** Keys of the rows offered from now on; the terms are the same in every experiment. */
  orderBy(keys: readonly RowKey[]): void {
    this.#keys = keys;
  }

  offer(experiment: ExperimentIndex, row: number): void {
    const heap = this.#heap;
    if (heap.length === this.size && compareRow(this.#keys, row, (heap[0] as Candidate).keys) >= 0) return;
    const candidate = { experiment, row, keys: this.#keys.map(({ of }) => of(row)) };
    if (heap.length < this.size) {
      heap.push(candidate);
      this.#up(heap.length - 1);
    } else {
      heap[0] = candidate;
      this.#down(0);
    }
  }

  inOrder(): Candidate[] {
    return [...this.#heap].sort((a, b) => this.#compare(a, b));
  }

  cursorOf(keys: Candidate['keys']): RunCursor {
    return keys.map((key, index) => (this.#keys[index]?.type === 'Float64' ? bitsOf(key as number) : String(key)));
  }

  #compare(a: Candidate, b: Candidate): number {
    for (const [index, { ascending }] of this.#keys.entries()) {
      const difference = comparePrimitive(a.keys[index] as number, b.keys[index] as number);
      if (difference !== 0) return ascending ? difference : -difference;
    }
    return 0;
  }

  #up(from: number): void {
    const heap = this.#heap;
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (this.#compare(heap[at] as Candidate, heap[parent] as Candidate) <= 0) return;
      [heap[at], heap[parent]] = [heap[parent] as Candidate, heap[at] as Candidate];
      at = parent;
    }
  }

  #down(from: number): void {
    const heap = this.#heap;
    for (let at = from; ;) {
      let last = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && this.#compare(heap[child] as Candidate, heap[last] as Candidate) > 0) last = child;
      }
      if (last === at) return;
      [heap[at], heap[last]] = [heap[last] as Candidate, heap[at] as Candidate];
      at = last;
    }
  }
}

/** Where a row stands to a place in the order. */
function compareRow(keys: readonly RowKey[], row: number, place: readonly (number | string)[]): number {
  for (let index = 0; index < keys.length; index++) {
    const { of, ascending } = keys[index] as RowKey;
    const difference = comparePrimitive(of(row), place[index] as number | string);
    if (difference !== 0) return ascending ? difference : -difference;
  }
  return 0;
}

function comparePrimitive(a: number | string, b: number | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function placeOf(keys: readonly RowKey[], cursor: RunCursor): (number | string)[] {
  return keys.map(({ type }, index) => {
    const text = cursor[index] ?? '';
    return type === 'String' ? text : type === 'Float64' ? fromBits(text) : Number(text);
  });
}
