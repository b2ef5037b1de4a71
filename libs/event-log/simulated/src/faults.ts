/** What may go wrong, as probabilities per occasion. */
export interface Faults {
  /** Each hop between client and broker takes up to this long, in virtual milliseconds. */
  readonly maxDelayMs: number;
  /** The append never arrives, and the client is told it failed. */
  readonly appendLost: number;
  /** The append arrives, the acknowledgement does not. */
  readonly appendUnacknowledged: number;
  /** The client is told that the append failed; later it arrives all the same, perhaps behind appends made after it. */
  readonly appendLate: number;
  /** The client is never told anything; the append may have arrived or not. */
  readonly appendHangs: number;
  /** The append arrives a second time, a while later. */
  readonly appendDuplicated: number;
  /** A reader is given records again that it has had. */
  readonly redelivered: number;
  /** A question (end, begin, topics) fails with a retryable fault. */
  readonly questionFails: number;
}

export const NO_FAULTS: Faults = {
  maxDelayMs: 2,
  appendLost: 0,
  appendUnacknowledged: 0,
  appendLate: 0,
  appendHangs: 0,
  appendDuplicated: 0,
  redelivered: 0,
  questionFails: 0,
};

/** A bad day: about one append in three goes wrong in some way. */
export const BAD_DAY: Faults = {
  maxDelayMs: 20,
  appendLost: 0.06,
  appendUnacknowledged: 0.08,
  appendLate: 0.08,
  appendHangs: 0.02,
  appendDuplicated: 0.08,
  redelivered: 0.2,
  questionFails: 0.05,
};
