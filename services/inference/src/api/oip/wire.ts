import type { TensorSpec } from '../../domain/tensor/tensor.js';
import type { FeatureServiceShape } from '../../gateway/feature-vectors.js';
import type { IndexedModel } from '../../queries/model-repository.js';
import type { ModelDescription } from '../../queries/serving-status.js';
import type { ModelStatistics, Tally } from '../../queries/serving-statistics.js';

export interface ModelMetadata {
  readonly name: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

// What the protocol says of server and models. REST and gRPC give their fields the same names, so both say it by these.

const EXTENSIONS = ['binary_tensor_data', 'model_repository', 'model_configuration', 'statistics', 'schedule_policy'];

export function serverMetadata(version: string): object {
  return { name: 'millrace', version, extensions: EXTENSIONS };
}

/** Inputs are the model's. What a deployment with a feature service takes instead of them is said by parameters, which clients that do not know them pass over. */
export function modelMetadata(name: string, description: ModelDescription): ModelMetadata {
  const { versions, inputs, outputs } = description;
  const parameters = askedParameters(description);
  return {
    ...{ name, versions, platform: 'onnxruntime_onnx', inputs: inputs.map(tensorMetadata), outputs: outputs.map(tensorMetadata) },
    ...(parameters === undefined ? {} : { parameters }),
  };
}

/** A parameter's value is one text, number or boolean, so each input is one of its own, of shape `[N]`: its datatype by its name. */
function askedParameters({ featureService, asked }: ModelDescription): Record<string, string> | undefined {
  if (featureService === undefined) return undefined;
  const inputs = (kind: string, named: FeatureServiceShape['joinKeys' | 'requestFeatures'] = []): (readonly [string, string])[] =>
    named.map((input) => [`${kind}.${input.name}`, datatypeOf(input.type)] as const);
  return Object.fromEntries([
    ['feature_service', featureService],
    ...inputs('join_key', asked?.joinKeys),
    ...inputs('request_feature', asked?.requestFeatures),
  ]);
}

/** The datatype that holds a column type whole; times are texts in ISO 8601. */
function datatypeOf(type: string): string {
  const integer = /^(U?)Int(8|16|32|64)$/.exec(type);
  if (integer) return `${integer[1] as string}INT${integer[2] as string}`;
  const float = /^Float(32|64)$/.exec(type);
  if (float) return `FP${float[1] as string}`;
  return type === 'Bool' ? 'BOOL' : 'BYTES';
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
