import { Counter, Gauge, type Registry } from 'prom-client';
import type { RunningStream } from './running-stream.js';

/** Metrics of streaming inference. */
export class StreamMetrics {
  readonly outputs: Counter<'stream'>;
  readonly letters: Counter<'stream'>;
  readonly retries: Counter<'stream'>;

  constructor(private readonly registry: Registry) {
    const registers = [registry];
    this.outputs = new Counter({
      name: 'millrace_stream_outputs_total',
      help: 'Outputs that this process has written.',
      labelNames: ['stream'],
      registers,
    });
    this.letters = new Counter({
      name: 'millrace_stream_dead_letters_total',
      help: 'Events that could be read and got no output: the model refused them, or the output was too large. Those that could not be read are counted by millrace_consumer_records_total.',
      labelNames: ['stream'],
      registers,
    });
    this.retries = new Counter({
      name: 'millrace_stream_retries_total',
      help: 'Batches that are tried again, because of trouble that is not the events’ own.',
      labelNames: ['stream'],
      registers,
    });
  }

  /** Gauges of what is at work, looked at when somebody asks. */
  watch(running: () => Iterable<RunningStream>, now: () => number): void {
    const registers = [this.registry];
    new Gauge({
      name: 'millrace_stream_lag_records',
      help: 'Events that wait for their output, in the partitions that this process has.',
      labelNames: ['stream', 'partition'],
      registers,
      collect() {
        this.reset();
        for (const { plan, partitions } of running())
          for (const [partition, state] of partitions) this.set({ stream: plan.name, partition: String(partition) }, state.lag);
      },
    });
    new Gauge({
      name: 'millrace_stream_lag_seconds',
      help: 'Time since the oldest event that waits was written to its topic; 0 when none waits.',
      labelNames: ['stream', 'partition'],
      registers,
      collect() {
        this.reset();
        for (const { plan, partitions } of running())
          for (const [partition, state] of partitions)
            this.set({ stream: plan.name, partition: String(partition) }, state.lagMs(now()) / 1000);
      },
    });
    new Gauge({
      name: 'millrace_stream_in_flight',
      help: 'Events that are with the model now.',
      labelNames: ['stream'],
      registers,
      collect() {
        this.reset();
        for (const worker of running()) this.set({ stream: worker.plan.name }, worker.inFlight);
      },
    });
    new Gauge({
      name: 'millrace_stream_stalled_partitions',
      help: 'Partitions of this process that do not get on: the model is not there, features cannot be read, the log is away.',
      labelNames: ['stream'],
      registers,
      collect() {
        this.reset();
        for (const { plan, partitions } of running())
          this.set({ stream: plan.name }, [...partitions.values()].filter(({ trouble }) => trouble).length);
      },
    });
  }
}
