import type { EventLog } from '@millrace/event-log';
import type { Clock, Scheduler } from '@millrace/kernel';
import type { LogConsumers } from '@millrace/service';
import type { PredictingOptions } from './predict-event.js';
import type { StreamMetrics } from './stream-metrics.js';
import type { StreamPlan } from './stream-plan.js';

/** What a stream at work stands on. */
export interface StreamsHost {
  readonly log: EventLog;
  readonly consumers: LogConsumers;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly predicting: PredictingOptions;
  readonly metrics: StreamMetrics;
  /** Offset of the first event of a partition that is not done with, by the log. */
  readonly position: (plan: StreamPlan, partition: number) => Promise<number>;
  /** When its generation began, milliseconds since the epoch. */
  readonly begunAt: (plan: StreamPlan) => number;
  /** Tells the log that all before `next` is done with. */
  readonly progressed: (plan: StreamPlan, partition: number, next: number) => Promise<void>;
  /** Resolves when the records of all predictions so far are on the log. */
  readonly predictionsWritten: () => Promise<void>;
}
