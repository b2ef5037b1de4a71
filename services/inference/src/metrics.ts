import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** The gateway's own metrics. */
export class InferenceMetrics {
  readonly predictions: Counter<'deployment' | 'model' | 'version' | 'outcome'>;
  readonly seconds: Histogram<'deployment'>;
  readonly batchRows: Histogram;
  readonly shed: Counter<'facts'>;
  readonly grpcSeconds: Histogram<'rpc' | 'status'>;
  readonly grpcInFlight: Gauge;
  readonly loaded: Gauge<'model' | 'version'>;
  readonly loadFailures: Counter<'reference'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.predictions = new Counter({
      name: 'millrace_inference_predictions_total',
      help: 'Requests answered by a model, by outcome: ok or the code of the refusal.',
      labelNames: ['deployment', 'model', 'version', 'outcome'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'millrace_inference_seconds',
      help: "Time from a request's arrival at the gateway to its model's answer.",
      labelNames: ['deployment'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    });
    this.batchRows = new Histogram({
      name: 'millrace_inference_batch_rows',
      help: 'Rows of the model run a request was part of.',
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
  }
}
