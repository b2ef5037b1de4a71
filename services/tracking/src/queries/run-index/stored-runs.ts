import type { SubjectState } from '@millrace/kernel';
import type { MetricPoint } from '../../domain/metric-points/metric-points.js';
import type { RunState } from '../../domain/run/run.decider.js';
import type { StoredRun } from './run-index.js';

/** The folds of decisions, whose subjects come in the order of their names. */
export interface StoredDecisions {
  subjects(prefix: string): AsyncIterable<readonly [string, SubjectState]>;
}

/** The fold of metric points; what is stored comes in the order of the ids. */
export interface StoredMetrics {
  of(runId: string): readonly MetricPoint[];
  stored(): Iterator<readonly [runId: string, points: readonly MetricPoint[]], unknown>;
}

const PREFIX = 'run/';

/**
 * Every run the two folds have stored: both are read once from end to end, side by side, instead of a run at a time. Metrics that are not met
 * that way are asked for.
 */
export async function* storedRuns(decisions: StoredDecisions, metrics: StoredMetrics, isClosing: () => boolean): AsyncGenerator<StoredRun> {
  const stored = metrics.stored();
  try {
    let next = stored.next();
    for await (const [subject, { state }] of decisions.subjects(PREFIX)) {
      if (isClosing()) return;
      const run = state as RunState;
      if (!run) continue;
      const runId = subject.slice(PREFIX.length);
      while (!next.done && next.value[0] < runId) next = stored.next();
      yield { run, metrics: !next.done && next.value[0] === runId ? next.value[1] : metrics.of(runId) };
    }
  } finally {
    stored.return?.();
  }
}
