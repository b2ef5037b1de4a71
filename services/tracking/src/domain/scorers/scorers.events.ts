import type { Event } from '@millrace/kernel';

/** What is decided about the scorers of one experiment: subject `scorers/<experiment id>`, because a name is one scorer there. */
export type ScorersEvent =
  | Event<'ScorerRegistered', ScorerRegistered>
  | Event<'ScorerDeleted', ScorerDeleted>
  | Event<'OnlineScoringConfigured', OnlineScoringConfigured>;

export interface ScorerRegistered {
  /** 32 lower-case hex characters; the versions of a name have it in common. */
  readonly scorerId: string;
  readonly name: string;
  /** 1, 2, 3 …; not given twice while the scorer has a version. */
  readonly version: number;
  /** The scorer as its client wrote it: JSON text. */
  readonly serialized: string;
}

export interface ScorerDeleted {
  readonly name: string;
  /** `null`: all of them. */
  readonly version: number | null;
}

/** How much of the new traces a scorer is to judge. */
export interface OnlineScoringConfigured {
  readonly name: string;
  /** 32 lower-case hex characters. */
  readonly configId: string;
  /** 0 to 1. */
  readonly sampleRate: number;
  /** `null`: all traces. */
  readonly filterString: string | null;
}
