// Taken once: in a test, where the globals are those of a context of its own, each look at one costs as much as the arithmetic around it.
const { max, min } = Math;

/** Time that one run over n rows takes, milliseconds: `fixedMs + n * rowMs`. */
export interface ServiceCurve {
  readonly fixedMs: number;
  readonly rowMs: number;
  readonly maxBatchRows: number;
}

const DEADLINE_SECONDS = 10;

/** One process with one model, as `BatchingQueue` runs it: what comes while it is busy runs together next. Times are seconds. */
export class Replica {
  readonly #curve: ServiceCurve;
  readonly #onAnswer: (arrived: number, seconds: number | undefined) => void;
  #waiting: number[] = [];
  #head = 0;
  #busyFrom = 0;
  #busyUntil = 0;
  /** Runs that are over, and requests in flight integrated over time. */
  #busy = 0;
  #inFlight = 0;
  #running = 0;
  #integral = 0;
  #at = 0;

  constructor(
    readonly createdAt: number,
    readonly readyAt: number,
    curve: ServiceCurve,
    onAnswer: (arrived: number, seconds: number | undefined) => void,
  ) {
    this.#curve = curve;
    this.#onAnswer = onAnswer;
    this.#busyUntil = readyAt;
    this.#busyFrom = readyAt;
    this.#at = readyAt;
  }

  /** Requests that wait. */
  get queued(): number {
    return this.#waiting.length - this.#head;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** When it has answered all it has, if nothing more comes. */
  get doneAt(): number {
    return this.#busyUntil;
  }

  /** Seconds it has been busy so far. */
  busy(now: number): number {
    return this.#busy + max(0, min(now, this.#busyUntil) - this.#busyFrom);
  }

  /** Requests in flight, integrated over the time so far: its growth by the time is their mean. */
  inFlightSeconds(now: number): number {
    return this.#integral + this.#inFlight * (now - this.#at);
  }

  arrive(at: number, arrived = at): void {
    this.advance(at);
    this.#move(at);
    this.#inFlight++;
    this.#waiting.push(arrived);
    if (this.#busyUntil <= at) this.#start(at);
  }

  /** Runs all that begins before `now`. */
  advance(now: number): void {
    while (this.#busyUntil <= now && (this.queued > 0 || this.#running > 0)) this.#start(this.#busyUntil);
  }

  #start(at: number): void {
    this.#move(at);
    this.#inFlight -= this.#running;
    this.#running = 0;
    this.#busy += this.#busyUntil - this.#busyFrom;
    this.#busyFrom = at;
    this.#busyUntil = at;
    const batch: number[] = [];
    while (this.queued > 0 && batch.length < this.#curve.maxBatchRows) {
      const arrived = this.#waiting[this.#head++] as number;
      if (at - arrived < DEADLINE_SECONDS) batch.push(arrived);
      else {
        this.#inFlight--;
        this.#onAnswer(arrived, undefined);
      }
    }
    if (this.#head > 4096) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    if (batch.length === 0) return;
    this.#running = batch.length;
    this.#busyUntil = at + (this.#curve.fixedMs + this.#curve.rowMs * batch.length) / 1000;
    for (const arrived of batch) this.#onAnswer(arrived, this.#busyUntil - arrived);
  }

  #move(at: number): void {
    this.#integral += this.#inFlight * max(0, at - this.#at);
    this.#at = max(this.#at, at);
  }
}
