/**
 * Work on one thing at a time. Who asks while it runs waits for one more run that begins after, and shares it with everybody else who waits: each sees what was there
 * when they asked, and many who ask at once cost two runs.
 */
export class Turns {
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #waiting = new Map<string, Promise<unknown>>();

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const waiting = this.#waiting.get(key);
    if (waiting) return waiting as Promise<T>;
    const running = this.#running.get(key);
    if (!running) return this.#begin(key, work);
    const next = running
      .catch(() => undefined)
      .then(() => {
        this.#waiting.delete(key);
        return this.#begin(key, work);
      });
    this.#waiting.set(key, next);
    return next;
  }

  #begin<T>(key: string, work: () => Promise<T>): Promise<T> {
    const run = work().finally(() => {
      if (this.#running.get(key) === run) this.#running.delete(key);
    });
    this.#running.set(key, run);
    return run;
  }
}
