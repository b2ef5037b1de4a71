import type { HttpReply, RawReply } from '@millrace/service';
import type { Departure, DepartureListener } from '../runner/batching-queue.js';

/** An AbortController would do the same, and costs more than many a model's run. */
class ClientDeparture implements Departure {
  aborted = false;
  /** One nearly always. */
  #listeners: DepartureListener[] = [];

  constructor(response: RawReply) {
    response.on('close', () => {
      if (response.writableFinished) return;
      this.aborted = true;
      const listeners = this.#listeners;
      this.#listeners = [];
      for (const listener of listeners) listener.handleEvent();
    });
  }

  addEventListener(_type: 'abort', listener: DepartureListener): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: DepartureListener): void {
    const place = this.#listeners.indexOf(listener);
    if (place >= 0) this.#listeners.splice(place, 1);
  }
}

/** Tells when the connection goes away before the reply is sent. */
export function departureOf(reply: Pick<HttpReply, 'raw'>): Departure {
  return new ClientDeparture(reply.raw);
}
