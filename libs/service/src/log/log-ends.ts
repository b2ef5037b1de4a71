import type { EventLog } from '@millrace/event-log';
import type { NextOffsets } from '@millrace/kernel';

/**
 * Asks the log for the end of one topic on behalf of many queries. A caller must not be given an answer asked for before it came (it would
 * miss its own write), so those who come while a question is under way share the next one.
 */
export class LogEnds {
  #running: Promise<NextOffsets> | undefined;
  #next: Promise<NextOffsets> | undefined;

  constructor(
    private readonly log: EventLog,
    private readonly topic: string,
  ) {}

  now(): Promise<NextOffsets> {
    if (!this.#running) return this.#ask();
    this.#next ??= this.#running.then(
      () => this.#ask(),
      () => this.#ask(),
    );
    return this.#next;
  }

  #ask(): Promise<NextOffsets> {
    this.#next = undefined;
    const asked = this.log.end(this.topic);
    const done = () => {
      if (this.#running === asked) this.#running = undefined;
    };
    asked.then(done, done);
    this.#running = asked;
    return asked;
  }
}
