import { Counter, Gauge, type Registry } from 'prom-client';

/** Metrics of batch jobs. */
export class BatchMetrics {
  readonly rows: Counter<'model' | 'outcome'>;
  readonly jobs: Counter<'model' | 'outcome'>;

  constructor(private readonly registry: Registry) {
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

  /** Gauges of the jobs there are now, looked at when somebody asks. */
  watch(open: () => { readonly all: number; readonly here: number }): void {
    const registers = [this.registry];
    new Gauge({
      name: 'millrace_inference_batch_jobs_open',
      help: 'Batch jobs that were asked for and are not over. Every process knows of all of them and says the same.',
      registers,
      collect() {
        this.set(open().all);
      },
    });
    new Gauge({
      name: 'millrace_inference_batch_jobs_running',
      help: 'Batch jobs that this process runs. What is open and runs nowhere waits.',
      registers,
      collect() {
        this.set(open().here);
      },
    });
  }
}
