import type { Tensor } from '../../domain/tensor/tensor.js';
import { binaryOf } from './binary-tensor.js';
import type { Parameters } from './infer-request.js';
import { jsonOfData } from './json-tensor.js';

export interface InferResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: Parameters;
  readonly outputs: readonly Tensor[];
}

export interface EncodedResponse {
  readonly body: Buffer | string;
  readonly contentType: string;
  /** Set when binary tensors follow the JSON. */
  readonly jsonLength?: number;
}

/** What an answer says beside the model's outputs: the id its labels name, and the variants of an experiment. */
export function answerParameters(predictionId: string, variants: readonly string[]): Readonly<Record<string, string>> {
  return { prediction_id: predictionId, ...(variants.length > 0 ? { variant: variants.join(',') } : {}) };
}

/** Written by hand: data goes into the text once, 64-bit integers whole. `isBinary` says which outputs follow as bytes. */
export function encodeInferResponse(response: InferResponse, isBinary: (output: string) => boolean): EncodedResponse {
  const binaries: Buffer[] = [];
  const outputs = response.outputs.map((output) => {
    const head = `{"name":${JSON.stringify(output.name)},"datatype":"${output.datatype}","shape":[${output.shape.join(',')}]`;
    if (!isBinary(output.name)) return `${head},"data":${jsonOfData(output)}}`;
    const bytes = binaryOf(output);
    binaries.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const json =
    `{"model_name":${JSON.stringify(response.modelName)},"model_version":${JSON.stringify(response.modelVersion)},` +
    `"id":${JSON.stringify(response.id)},"parameters":${JSON.stringify(response.parameters)},"outputs":[${outputs.join(',')}]}`;
  if (binaries.length === 0) return { body: json, contentType: 'application/json; charset=utf-8' };
  const head = Buffer.from(json);
  return { body: Buffer.concat([head, ...binaries]), contentType: 'application/octet-stream', jsonLength: head.length };
}
