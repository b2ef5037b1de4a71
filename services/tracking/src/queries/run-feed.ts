import type { MetricPoint } from '../domain/metric-points/metric-points.js';

/** Points of one record about the run, or that its decided state has changed. */
export type RunNews =
  { readonly kind: 'points'; readonly offset: number; readonly points: readonly MetricPoint[] } | { readonly kind: 'state' };

/** News of one run for one listener who takes them when it can. */
export interface RunNewsQueue {
  /** What has come since the last call, at least one; nothing when `signal` aborts or the queue has run over. */
  take(signal: AbortSignal, waitMs: number): Promise<readonly RunNews[]>;
  /** The listener was too slow and some news were let go: it has to begin again from what it has. */
  readonly hasRunOver: boolean;
  close(): void;
}

/** Points one listener may be behind. */
const MOST_POINTS = 20_000;

/**
 * Tells those who listen to a run what has just been folded of it. What is not taken waits in a bounded queue; the log and the table
 * hold everything, so a queue that runs over loses nothing but time.
 */
export class RunFeed {
  readonly #queues = new Map<string, Set<Queue>>();
  #listeners = 0;

  constructor(private readonly after: (milliseconds: number, done: () => void) => () => void) {}

  /** How many listen. */
  get listeners(): number {
    return this.#listeners;
  }

  listen(runId: string): RunNewsQueue {
    const queues = this.#queues.get(runId) ?? new Set<Queue>();
    this.#queues.set(runId, queues);
    const queue = new Queue(this.after, () => {
      if (!queues.delete(queue)) return;
      this.#listeners--;
      if (queues.size === 0) this.#queues.delete(runId);
    });
    queues.add(queue);
    this.#listeners++;
    return queue;
  }

  /** `points` is called only when somebody listens. */
  pointsOf(runId: string, offset: number, points: () => readonly MetricPoint[]): void {
    const queues = this.#queues.get(runId);
    if (!queues) return;
    const news: RunNews = { kind: 'points', offset, points: points() };
    for (const queue of queues) queue.put(news);
  }

  stateOf(runId: string): void {
    for (const queue of this.#queues.get(runId) ?? []) queue.put({ kind: 'state' });
  }
}

class Queue implements RunNewsQueue {
  #news: RunNews[] = [];
  #points = 0;
  #wake: (() => void) | undefined;
  #hasRunOver = false;

  constructor(
    private readonly after: (milliseconds: number, done: () => void) => () => void,
    readonly close: () => void,
  ) {}

  get hasRunOver(): boolean {
    return this.#hasRunOver;
  }

  put(news: RunNews): void {
    if (this.#hasRunOver) return;
    // A state is asked for when it is told, so two of them in a row say the same.
    if (news.kind === 'state' && this.#news.at(-1)?.kind === 'state') return;
    this.#points += news.kind === 'points' ? news.points.length : 1;
    if (this.#points > MOST_POINTS) {
      this.#hasRunOver = true;
      this.#news = [];
    } else this.#news.push(news);
    this.#wake?.();
  }

  async take(signal: AbortSignal, waitMs: number): Promise<readonly RunNews[]> {
    if (this.#news.length === 0 && !this.#hasRunOver && !signal.aborted) await this.#wait(signal, waitMs);
    const news = this.#news;
    this.#news = [];
    this.#points = 0;
    return news;
  }

  #wait(signal: AbortSignal, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#wake = undefined;
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.after(waitMs, end);
      this.#wake = end;
      signal.addEventListener('abort', end, { once: true });
    });
  }
}
