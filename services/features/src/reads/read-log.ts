import { TOPICS } from '@millrace/contracts';
import { shareOf, type Scheduler } from '@millrace/kernel';
import { FactBuffer, type NewFact } from '@millrace/service';
import { describeRead, type AnsweredRead } from './describe-read.js';

export interface ReadLogOptions {
  readonly append: (topic: string, facts: readonly NewFact[]) => Promise<unknown>;
  /** Vectors that wait for the log at most. */
  readonly capacity: number;
  readonly scheduler: Scheduler;
  readonly observer: { shed(vectors: number): void; retried(error: unknown): void };
}

/** What of a service's reads is logged. */
export interface ReadLogRules {
  /** As it was asked for: `delay_model`, `delay_model@3`. */
  readonly featureService: string;
  /** Version that answers. */
  readonly serviceVersion: number;
  /** Share of the requests. */
  readonly sample: number;
  /** Names that are left out: see `redactRows`. */
  readonly redact: readonly string[];
}

const MAX_BATCH = 500;
const GATHER_MS = 25;

/** Takes what was answered to the log, behind the answers: adding never waits and never fails, and what does not fit is shed and counted. */
export class ReadLog {
  readonly #buffer: FactBuffer<AnsweredRead>;

  constructor({ append, capacity, scheduler, observer }: ReadLogOptions) {
    this.#buffer = new FactBuffer<AnsweredRead>({
      append: (reads) => append(TOPICS.featureReads.name, reads.flatMap(factsOf)),
      ...{ capacity, maxBatch: MAX_BATCH, gatherMs: GATHER_MS, scheduler, observer },
      weigh: ({ answer }) => answer.rows,
    });
  }

  /** Whether a request is among those that are logged; all who ask about its id are told the same. */
  static takes({ sample }: ReadLogRules, id: string): boolean {
    return sample >= 1 || shareOf(id) < sample;
  }

  answered(read: AnsweredRead): void {
    this.#buffer.add(read);
  }

  /** Delivers what waits, or sheds it. */
  close(): Promise<void> {
    return this.#buffer.close();
  }
}

function factsOf(read: AnsweredRead): NewFact[] {
  return describeRead(read).map((data, part) => ({
    ...{ key: read.id, id: part === 0 ? read.id : `${read.id}:${part}`, time: read.time },
    ...{ domain: 'features', type: 'FeaturesRead', subject: `read/${read.id}`, data },
  }));
}
