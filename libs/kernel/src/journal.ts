import type { DecisionRecord } from './record.js';
import type { Position } from './position.js';

/** What the command handler needs of the log: put one decision at the end of its subject's partition. */
export interface Journal {
  /**
   * Resolves once the record is durable. A throw is *indefinite*: the record may or may not be in the log, now or later;
   * the handler finds out by reading. Only a fault that is not retryable (a record too large) or that is a refusal (the log is away) is definite:
   * nothing was written, or will be.
   */
  append(record: DecisionRecord): Promise<Position>;
  /** The position just past the last record of the subject's partition as the log has it now. A throw that is a refusal says that it cannot be told for now. */
  end(subject: string): Promise<Position>;
}
