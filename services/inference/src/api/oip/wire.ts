import type { TensorSpec } from '../../domain/tensor/tensor.js';
import type { IndexedModel } from '../../queries/model-repository.js';
import type { ModelDescription } from '../../queries/serving-status.js';
import type { ModelStatistics, Tally } from '../../queries/serving-statistics.js';

// What the protocol says of server and models. REST and gRPC give their fields the same names, so both say it by these.

const EXTENSIONS = ['binary_tensor_data', 'model_repository', 'model_configuration', 'statistics', 'schedule_policy'];

export function serverMetadata(version: string): object {
  return { name: 'millrace', version, extensions: EXTENSIONS };
}

export function modelMetadata(name: string, { versions, inputs, outputs }: ModelDescription): object {
  return { name, versions, platform: 'onnxruntime_onnx', inputs: inputs.map(tensorMetadata), outputs: outputs.map(tensorMetadata) };
}

function tensorMetadata({ name, datatype, shape }: TensorSpec): object {
  return { name, datatype, shape: shape ?? [-1] };
}

/** In the words of Triton's configuration: with batching, dimensions are those of one row. */
export function modelConfig(name: string, { versions, inputs, outputs, maxBatchRows }: ModelDescription): object {
  const tensor = (spec: TensorSpec) => ({
    name: spec.name,
    data_type: spec.datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${spec.datatype}`,
    dims: (spec.shape ?? [-1]).slice(maxBatchRows > 0 ? 1 : 0),
  });
  return {
    name,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    version_policy: { specific: { versions: versions.map(Number) } },
    max_batch_size: maxBatchRows,
    input: inputs.map(tensor),
    output: outputs.map(tensor),
    default_model_filename: 'model.onnx',
    ...(maxBatchRows > 0 ? { dynamic_batching: {} } : {}),
  };
}

export function repositoryIndex(models: readonly IndexedModel[]): object[] {
  return models.map(({ name, version, state, reason }) => ({ name, version, state, reason }));
}

export function modelStatistics(statistics: readonly ModelStatistics[]): object {
  return {
    model_stats: statistics.map((model) => ({
      name: model.name,
      version: model.version,
      last_inference: model.lastInference,
      inference_count: model.inferences,
      execution_count: model.executions,
      inference_stats: {
        success: duration(model.success),
        fail: duration(model.fail),
        queue: duration(model.queue),
        compute_input: duration(model.computeInput),
        compute_infer: duration(model.computeInfer),
        compute_output: duration(model.computeOutput),
        // Nothing is cached.
        cache_hit: duration({ count: 0, ms: 0 }),
        cache_miss: duration({ count: 0, ms: 0 }),
      },
      batch_stats: model.batches.map((batch) => ({
        batch_size: batch.batchSize,
        compute_input: duration(batch.computeInput),
        compute_infer: duration(batch.computeInfer),
        compute_output: duration(batch.computeOutput),
      })),
    })),
  };
}

function duration({ count, ms }: Tally): { count: number; ns: number } {
  return { count, ns: Math.round(ms * 1e6) };
}
