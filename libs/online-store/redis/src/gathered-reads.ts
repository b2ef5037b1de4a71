import { LinkedList, type Linked, type Scheduler } from '@millrace/kernel';

export type Values = readonly (Buffer | null)[];

export interface GatheredReadsOptions {
  /** Asks Redis for the values of these keys, in their order. */
  readonly ask: (keys: readonly Buffer[]) => Promise<Values>;
  /** How a read that is given up fails, and one that Redis refused. */
  readonly failure: (cause: unknown) => Error;
  /** How a read fails whose caller has no more time. */
  readonly late: (cause: unknown) => Error;
  /** How long a read may be without an answer while there is a connection. */
  readonly timeoutMs: number;
  /** How long after a connection was lost reads wait for the next one. */
  readonly bridgeMs: number;
  /** Reads that may wait for a connection; beyond it they fail at once. */
  readonly maxWaiting: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly scheduler: Scheduler;
}

/** Keys asked for at once: short enough not to hold Redis up. */
export const PAGE = 1_000;

/** A read that nobody has been told of yet; `resolve` and `reject` are harmless after the first. */
interface Read extends Linked<Read> {
  readonly keys: readonly Buffer[];
  /** When it is given up, whatever the store does. */
  readonly until: number;
  /** That is when its caller's time is over. */
  readonly isHurried: boolean;
  readonly resolve: (values: Values) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads on their way to Redis. One goes alone when nothing is being read, so that a lone reader waits for nobody. Those that come while one is
 * under way are put together into the next, which costs both sides little more than one of them; each is still answered from one moment.
 *
 * A lost connection is bridged for a moment: reads, also those that were under way, wait for the next one. When it lasts, they fail at once
 * until there is a connection again, and so do they while a connection gives no answer to what it was asked: whoever reads has a
 * fallback or a deadline, and is served better by a refusal than by a queue.
 */
export class GatheredReads {
  readonly #options: GatheredReadsOptions;
  /** Not answered yet, those that wait to be sent included. */
  readonly #open = new LinkedList<Read>();
  #gathered: Read[] = [];
  /** Requests that Redis has not answered. */
  #asked = 0;
  /** Since when it has answered none of them. */
  #quietSince = 0;
  #loss: { readonly cause: unknown; readonly since: number } | undefined;
  #armedFor = Infinity;
  #disarm: (() => void) | undefined;

  constructor(options: GatheredReadsOptions) {
    this.#options = options;
  }

  /** The values of the keys, in their order; fails after `withinMs` at the latest. */
  read(keys: readonly Buffer[], withinMs = Infinity): Promise<Values> {
    return new Promise((resolve, reject) => {
      const { now, timeoutMs, maxWaiting, failure } = this.#options;
      const time = now();
      const refusal = this.#whyNot(time);
      if (refusal !== undefined) return reject(failure(refusal));
      if (this.#loss && this.#gathered.length >= maxWaiting) return reject(failure(this.#loss.cause));
      const until = time + Math.min(withinMs, timeoutMs);
      const linked = { list: undefined, before: undefined, after: undefined };
      const read: Read = { keys, until, isHurried: withinMs < timeoutMs, resolve, reject, ...linked };
      this.#open.add(read);
      this.#arm(read.until);
      if (this.#asked === 0 && !this.#loss) return this.#ask([read]);
      if (this.#gathered.length === 0) setImmediate(() => this.#askGathered());
      this.#gathered.push(read);
    });
  }

  /** Told of the loss of the connection, and of every vain attempt to get another. */
  lost(cause: unknown): void {
    const isNews = this.#loss === undefined;
    this.#loss = { cause, since: this.#loss?.since ?? this.#options.now() };
    if (isNews) this.#arm(this.#loss.since + this.#options.bridgeMs);
  }

  /** There is a connection again. */
  found(): void {
    this.#loss = undefined;
    this.#quietSince = this.#options.now();
    this.#askGathered();
  }

  /** Fails what still waits for a connection, and leaves no timer behind. */
  close(): void {
    this.#disarm?.();
    if (this.#loss) this.#giveUp([...this.#open], this.#loss.cause);
  }

  /** Why nobody has to wait to hear that it cannot be read. */
  #whyNot(time: number): unknown {
    const { bridgeMs, timeoutMs } = this.#options;
    if (this.#loss) return time - this.#loss.since >= bridgeMs ? this.#loss.cause : undefined;
    return this.#asked > 0 && time - this.#quietSince >= timeoutMs ? unanswered(timeoutMs) : undefined;
  }

  #askGathered(): void {
    if (this.#loss) return;
    const gathered = this.#gathered.filter((read) => this.#open.has(read));
    this.#gathered = [];
    for (let from = 0; from < gathered.length;) {
      let to = from;
      let count = 0;
      do count += (gathered[to++] as Read).keys.length;
      while (to < gathered.length && count + (gathered[to] as Read).keys.length <= PAGE);
      this.#ask(gathered.slice(from, to));
      from = to;
    }
  }

  #ask(reads: readonly Read[]): void {
    if (this.#asked++ === 0) this.#quietSince = this.#options.now();
    const [first] = reads as [Read];
    this.#options.ask(reads.length === 1 ? first.keys : reads.flatMap(({ keys }) => keys)).then(
      (found) => {
        this.#answered();
        let from = 0;
        for (const read of reads) {
          this.#open.delete(read);
          read.resolve(reads.length === 1 ? found : found.slice(from, (from += read.keys.length)));
        }
      },
      (error: unknown) => {
        this.#answered();
        const isBridged = this.#loss !== undefined && this.#whyNot(this.#options.now()) === undefined;
        // What was under way when the connection was lost changes nothing, so it is asked again.
        if (isBridged) this.#gathered.push(...reads.filter((read) => this.#open.has(read)));
        else this.#giveUp(reads, error);
      },
    );
  }

  #answered(): void {
    this.#asked--;
    this.#quietSince = this.#options.now();
  }

  #giveUp(reads: readonly Read[], cause: unknown): void {
    const open = reads.filter((read) => this.#open.delete(read));
    if (open.length === 0) return;
    const failure = this.#options.failure(cause);
    for (const { reject } of open) reject(failure);
  }

  #giveUpLate(reads: readonly Read[], cause: unknown): void {
    const late = this.#options.late(cause);
    for (const read of reads) if (read.isHurried && this.#open.delete(read)) read.reject(late);
    this.#giveUp(reads, cause);
  }

  /** One timer for the earliest moment at which something is to be given up; when it is due, the next is looked for. */
  #arm(time: number): void {
    if (time >= this.#armedFor) return;
    const { scheduler, now } = this.#options;
    this.#disarm?.();
    this.#armedFor = time;
    this.#disarm = scheduler.after(Math.max(1, Math.ceil(time - now())), () => this.#sweep());
  }

  #sweep(): void {
    this.#armedFor = Infinity;
    this.#disarm = undefined;
    const time = this.#options.now();
    const refusal = this.#whyNot(time);
    if (refusal !== undefined) {
      this.#giveUp([...this.#open], refusal);
      this.#gathered = [];
      return;
    }
    const late = [...this.#open].filter(({ until }) => until <= time);
    if (late.length > 0) this.#giveUpLate(late, this.#loss?.cause ?? new Error('no answer yet'));
    let next = this.#loss ? this.#loss.since + this.#options.bridgeMs : Infinity;
    for (const { until } of this.#open) next = Math.min(next, until);
    if (next !== Infinity) this.#arm(next);
  }
}

function unanswered(milliseconds: number): Error {
  return new Error(`Redis is connected and has answered nothing for ${milliseconds} ms`);
}
