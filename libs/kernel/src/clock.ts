/** Time as a dependency. Milliseconds since the epoch. */
export interface Clock {
  now(): number;
}

/** Delays as a dependency, so that a simulated log can run on virtual time. Returns the cancel function. */
export interface Scheduler {
  after(milliseconds: number, run: () => void): () => void;
}

/** Identifiers as a dependency. */
export interface Ids {
  /** A fresh, unguessable id (UUIDv7 text): ordered by time. */
  next(): string;
  /**
   * The id a command gives to what it creates: the same command id and purpose give the same id, so a retried
   * command cannot create a second thing. 32 lower-case hex characters.
   */
  derived(commandId: string, purpose: string): string;
}
