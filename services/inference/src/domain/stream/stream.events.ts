import type { Event } from '@millrace/kernel';

/** Where a generation of a stream began: the same for whoever takes a partition up. */
export interface StreamStarted {
  readonly generation: number;
  /** Topic of the source. */
  readonly topic: string;
  readonly outputTopic: string;
  readonly start: 'earliest' | 'latest';
  /** Offset of the first event that gets an output, by partition. */
  readonly positions: readonly number[];
}

/** Events that left no output, because all went to the dead letters, so that they are not looked at again. */
export interface StreamProgressed {
  readonly generation: number;
  readonly partition: number;
  /** Every event before it has its output or its letter. */
  readonly next: number;
}

export type StreamEvent = Event<'StreamStarted', StreamStarted> | Event<'StreamProgressed', StreamProgressed>;
