import { Counter, type Registry } from 'prom-client';

/** Metrics of batch jobs. */
export class BatchMetrics {
  readonly rows: Counter<'model' | 'outcome'>;
  readonly jobs: Counter<'model' | 'outcome'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.rows = new Counter({
      name: 'millrace_inference_batch_job_rows_total',
      help: 'Rows that batch jobs have scored in this process, by outcome: ok or failed.',
      labelNames: ['model', 'outcome'],
      registers,
    });
    this.jobs = new Counter({
      name: 'millrace_inference_batch_jobs_total',
      help: 'Batch jobs that came to an end in this process: completed, failed, cancelled, or left to another process.',
      labelNames: ['model', 'outcome'],
      registers,
    });
  }
}
