import type { DecisionReplica, NextOffsets } from '@millrace/kernel';
import { EXPERIMENTS, type Experiment, type Experiments } from '../domain/experiments/experiments.decider.js';
import type { Run, RunState } from '../domain/run/run.decider.js';
import type { MetricPoint } from '../domain/metric-points/metric-points.js';

/** The domain's decisions as a query reads them. */
export interface TrackingLog {
  readonly replica: DecisionReplica;
  barrier(): Promise<void>;
}

/** The latest metrics as a query reads them. */
export interface MetricsView {
  of(runId: string): MetricPoint[];
  waitUntil(ends: NextOffsets, deadlineMs: number): Promise<void>;
}

/** A run as it is shown: its own state, the latest metrics, and whether it or its experiment is deleted. */
export interface RunView {
  readonly run: Run;
  readonly isActive: boolean;
  readonly metrics: readonly MetricPoint[];
}

export interface TrackingViewOptions {
  readonly log: TrackingLog;
  readonly metrics: MetricsView;
  /** Where the metric points end now. */
  readonly metricEnds: () => Promise<NextOffsets>;
  readonly deadlineMs: number;
}

/**
 * Experiments and runs as this process has folded them. A client of MLflow carries no position, so whoever wants to see all that was
 * acknowledged before asks `upToDate` first: it reads the log's ends and waits for the folds to reach them.
 */
export class TrackingView {
  constructor(private readonly options: TrackingViewOptions) {}

  /** Waits until every decision the log holds now is folded. */
  upToDate(): Promise<void> {
    return this.options.log.barrier();
  }

  /** {@link upToDate}, and every metric point too. */
  async upToDateWithMetrics(): Promise<void> {
    const { metrics, metricEnds, deadlineMs } = this.options;
    await Promise.all([this.upToDate(), metricEnds().then((ends) => metrics.waitUntil(ends, deadlineMs))]);
  }

  experiments(): Experiments {
    return this.options.log.replica.subject(EXPERIMENTS).state as Experiments;
  }

  experiment(id: string): Experiment | undefined {
    return this.experiments().byId.get(id);
  }

  experimentNamed(name: string): Experiment | undefined {
    const { byId, idOfName } = this.experiments();
    const id = idOfName.get(name);
    return id === undefined ? undefined : byId.get(id);
  }

  run(runId: string): Run | undefined {
    const run = this.options.log.replica.subject(`run/${runId}`).state as RunState;
    return run === null || run.purged ? undefined : run;
  }

  isActive(run: Run): boolean {
    return !run.deleted && this.experiment(run.experimentId)?.deleted === false;
  }

  /** A run with its metrics, as far as they are folded. */
  show(runId: string): RunView | undefined {
    const run = this.run(runId);
    return run && { run, isActive: this.isActive(run), metrics: this.options.metrics.of(runId) };
  }
}
