import { HotCounter, HotHistogram } from '@millrace/service';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { isRefusal } from './domain/refusal.js';
import type { Answered } from './gateway/prediction-record.js';
import { watchLoad } from './load-metrics.js';
import type { ServedModel } from './models/served-model.js';

const NO_LABELS = {};

/** The gateway's own metrics. */
export class InferenceMetrics {
  readonly predictions: HotCounter<'deployment' | 'model' | 'version' | 'outcome'>;
  readonly seconds: HotHistogram<'deployment'>;
  readonly batchRows: HotHistogram<never>;
  readonly shed: Counter<'facts'>;
  readonly grpcSeconds: Histogram<'rpc' | 'status'>;
  readonly grpcInFlight: Gauge;
  readonly loaded: Gauge<'model' | 'version'>;
  readonly loadFailures: Counter<'reference'>;
  readonly evictions: Counter<'model'>;
  readonly checks: Counter<'outcome'>;
  readonly crashes: Counter;
  readonly moves: Counter<'to'>;

  constructor(private readonly registry: Registry) {
    const registers = [registry];
    this.predictions = new HotCounter({
      name: 'millrace_inference_predictions_total',
      help: 'Requests answered by a model, by outcome: ok or the code of the refusal.',
      labelNames: ['deployment', 'model', 'version', 'outcome'],
      registers,
    });
    this.seconds = new HotHistogram({
      name: 'millrace_inference_seconds',
      help: "Time from a request's arrival at the gateway to its model's answer.",
      labelNames: ['deployment'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    });
    this.batchRows = new HotHistogram({
      name: 'millrace_inference_batch_rows',
      help: 'Rows of the model run a request was part of.',
      labelNames: [],
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024],
      registers,
    });
    this.grpcSeconds = new Histogram({
      name: 'millrace_grpc_request_seconds',
      help: 'Time from a gRPC call to its answer, by the status it ended with.',
      labelNames: ['rpc', 'status'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    });
    this.grpcInFlight = new Gauge({
      name: 'millrace_grpc_in_flight',
      help: 'gRPC calls being answered now.',
      registers,
    });
    this.shed = new Counter({
      name: 'millrace_inference_facts_shed_total',
      help: 'Records that did not reach the log because the buffer was full: predictions, exposures.',
      labelNames: ['facts'],
      registers,
    });
    this.loaded = new Gauge({
      name: 'millrace_inference_models_loaded',
      help: 'Versions loaded now.',
      labelNames: ['model', 'version'],
      registers,
    });
    this.loadFailures = new Counter({
      name: 'millrace_inference_load_failures_total',
      help: 'Loads that failed, by reference.',
      labelNames: ['reference'],
      registers,
    });
    this.evictions = new Counter({
      name: 'millrace_inference_evictions_total',
      help: 'Versions unloaded because another needed their memory; the log says which.',
      labelNames: ['model'],
      registers,
    });
    this.checks = new Counter({
      name: 'millrace_inference_versions_checked_total',
      help: 'Registered versions that were loaded to see whether they can be served: servable or refused.',
      labelNames: ['outcome'],
      registers,
    });
    this.crashes = new Counter({
      name: 'millrace_inference_worker_crashes_total',
      help: 'Worker threads of models that ended without having been told to.',
      registers,
    });
    this.moves = new Counter({
      name: 'millrace_inference_moves_total',
      help: 'Models moved by their run time, by where to: in-loop or worker.',
      labelNames: ['to'],
      registers,
    });
  }

  /** Counts a request, recorded or not. */
  answered({ deployment, model, result, failure, latencyMs }: Answered): void {
    const name = deployment?.name ?? '';
    const { version } = model.version;
    const outcome = failure === undefined ? 'ok' : isRefusal(failure) ? failure.code : 'MR_INFERENCE_FAILED';
    this.predictions.inc({ deployment: name, model: model.version.name, version: String(version), outcome });
    this.seconds.observe({ deployment: name }, latencyMs / 1000);
    if (result) this.batchRows.observe(NO_LABELS, result.batchRows);
  }

  /** Gauges of what is loaded, looked at when somebody asks. */
  watch(loaded: () => readonly ServedModel[], maxBytes: number, workersBusyMs: () => number): void {
    const registers = [this.registry];
    watchLoad(this.registry, loaded, workersBusyMs);
    const sum = (of: (model: ServedModel) => number): number => loaded().reduce((total, model) => total + of(model), 0);
    new Gauge({
      name: 'millrace_inference_model_memory_bytes',
      help: 'Memory of the loaded models, estimated.',
      registers,
      collect() {
        this.set(sum((model) => model.memoryBytes));
      },
    });
    new Gauge({
      name: 'millrace_inference_model_memory_limit_bytes',
      help: 'Memory that loaded models may take together.',
      registers,
    }).set(maxBytes);
    new Gauge({
      name: 'millrace_inference_least_recently_used_seconds',
      help: 'Time since the longest unused of the loaded versions was used; short where memory is short, as it is unloaded next.',
      registers,
      collect() {
        this.set(loaded().reduce((longest, model) => Math.max(longest, model.idleMs()), 0) / 1000);
      },
    });
    new Gauge({
      name: 'millrace_inference_pending_requests',
      help: 'Requests that wait for a model or are run by it.',
      registers,
      collect() {
        this.set(sum((model) => model.queue.pending));
      },
    });
    new Gauge({
      name: 'millrace_inference_models_by_place',
      help: 'Loaded versions by where they run: in-loop or worker.',
      labelNames: ['place'],
      registers,
      collect() {
        for (const place of ['in-loop', 'worker'] as const)
          this.set(
            { place },
            sum((model) => Number(model.place === place)),
          );
      },
    });
  }
}

/** Of rollouts. */
export class RolloutMetrics {
  readonly decisions: Counter<'rollout' | 'decision'>;
  readonly mirrored: Counter<'deployment' | 'outcome'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.decisions = new Counter({
      name: 'millrace_inference_rollout_decisions_total',
      help: 'Decisions of rollouts that this process has read, by event type.',
      labelNames: ['rollout', 'decision'],
      registers,
    });
    this.mirrored = new Counter({
      name: 'millrace_inference_mirrored_total',
      help: 'Requests copied to a candidate, by outcome: answered, failed, dropped (no room, too old, not loaded), shed (the log was away).',
      labelNames: ['deployment', 'outcome'],
      registers,
    });
  }
}
