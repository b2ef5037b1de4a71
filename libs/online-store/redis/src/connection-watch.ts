export interface ConnectionWatchOptions {
  /** How long a connection may answer nothing. */
  readonly silenceMs: number;
  /** Whether there is a connection that has answered already, one that has been made and has not, or none. */
  readonly state: () => 'ready' | 'greeting' | 'none';
  readonly ping: () => Promise<unknown>;
  /** Ends the connection and makes another. */
  readonly replace: () => void;
}

/** Looks within a silence: each is a turn of its own, so that answers a busy process has not read yet are heard before it is over. */
const LOOKS = 4;

/**
 * Finds connections whose other end is gone without a word: its machine lost its power, or something between the two forgot them. What is written into one
 * is kept and sent again by the system for a quarter of an hour before anybody is told.
 */
export class ConnectionWatch {
  readonly #timer: NodeJS.Timeout;
  #unanswered = 0;
  #isAsked = false;

  constructor(private readonly options: ConnectionWatchOptions) {
    this.#timer = setInterval(() => this.#look(), Math.ceil(options.silenceMs / LOOKS)).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const state = this.options.state();
    if (state === 'none') {
      this.#unanswered = 0;
      return;
    }
    if (++this.#unanswered > LOOKS) {
      this.#unanswered = 0;
      this.options.replace();
    } else if (state === 'ready' && !this.#isAsked) {
      this.#isAsked = true;
      const answered = () => {
        this.#isAsked = false;
        this.#unanswered = 0;
      };
      // An error is an answer too, or the end of a connection that is replaced already.
      this.options.ping().then(answered, answered);
    }
  }
}
