import type { ServerResponse } from 'node:http';
import type { Departure } from '../runner/batching-queue.js';

/** An AbortController would do the same, and costs more than many a model's run. */
class ClientDeparture implements Departure {
  aborted = false;
  readonly #listeners = new Set<() => void>();

  constructor(response: ServerResponse) {
    response.once('close', () => {
      if (response.writableFinished) return;
      this.aborted = true;
      for (const listener of this.#listeners) listener();
      this.#listeners.clear();
    });
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }
}

/** Tells when the connection goes away before the reply is sent. */
export function departureOf(reply: { readonly raw: ServerResponse }): Departure {
  return new ClientDeparture(reply.raw);
}
