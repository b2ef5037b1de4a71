import { int64, type Int64 } from '@millrace/onnx';
import { invalid } from '../../../domain/refusal.js';
import { isHalf, type Tensor } from '../../../domain/tensor/tensor.js';
import { binaryOf, tensorFromBinary } from '../binary-tensor.js';
import type { Parameters } from '../infer-request.js';
import type { InferResponse } from '../infer-response.js';
import { readTensorHead } from '../tensor-head.js';
import { refuseUnoffered } from '../unoffered.js';
import { contentsOf, tensorFromContents, type InferTensorContents } from './tensor-contents.js';

/** Exactly one field is set; numbers of 64 bits come in halves. */
export interface InferParameter {
  readonly bool_param?: boolean;
  readonly int64_param?: Int64;
  readonly string_param?: string;
  readonly double_param?: number;
  readonly uint64_param?: Int64;
  readonly parameter_choice?: string;
}

export type InferParameters = Readonly<Record<string, InferParameter>>;

interface InferInputTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly Int64[];
  readonly parameters: InferParameters;
  readonly contents: InferTensorContents | null;
}

/** As the codec decodes it: nothing is undefined. */
export interface ModelInferRequest {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: InferParameters;
  readonly inputs: readonly InferInputTensor[];
  readonly outputs: readonly { readonly name: string; readonly parameters: InferParameters }[];
  readonly raw_input_contents: readonly Buffer[];
}

export interface ReadInferMessage {
  readonly model: string;
  readonly version: string | undefined;
  readonly id: string | undefined;
  readonly parameters: Parameters;
  readonly inputs: readonly Tensor[];
  /** `undefined`: all of the model's. */
  readonly outputs: readonly string[] | undefined;
  /** Answer as bytes; else in lists, because a caller that writes lists may read nothing else. */
  readonly isRaw: boolean;
}

/** A request in the gateway's words. Refuses with the name of the tensor and what was expected. */
export function readInferMessage(message: ModelInferRequest): ReadInferMessage {
  const { inputs, raw_input_contents: raw } = message;
  if (raw.length > 0 && raw.length !== inputs.length)
    throw invalid(`raw_input_contents has ${raw.length} entries and inputs ${inputs.length}; give one for each, in their order`);
  const tensors = inputs.map((input, index) => {
    const { name, datatype, sizes } = readTensorHead(input.name, input.datatype, input.shape.map(sizeOf));
    refuseUnoffered(`input ${JSON.stringify(name)}`, input.parameters);
    const bytes = raw[index];
    if (bytes && input.contents) throw invalid(`input ${JSON.stringify(name)} has both contents and raw_input_contents`);
    return bytes ? tensorFromBinary(name, datatype, sizes, bytes) : tensorFromContents(name, datatype, sizes, input.contents);
  });
  const parameters = readParameters(message.parameters);
  const outputs = message.outputs.map(({ name, parameters: asked }) => {
    refuseUnoffered(`output ${JSON.stringify(name)}`, asked);
    return name;
  });
  const repeated = outputs.find((name, index) => outputs.indexOf(name) !== index);
  if (repeated !== undefined) throw invalid(`output ${JSON.stringify(repeated)} is asked for twice`);
  return {
    model: message.model_name,
    version: message.model_version === '' ? undefined : message.model_version,
    id: message.id === '' ? undefined : message.id,
    parameters,
    inputs: tensors,
    outputs: outputs.length === 0 ? undefined : outputs,
    isRaw: raw.length > 0 || parameters['binary_data_output'] === true,
  };
}

/** The answer as the codec encodes it. */
export function inferMessage(response: InferResponse, isRaw: boolean): object {
  const asBytes = isRaw || response.outputs.some((output) => isHalf(output.datatype));
  return {
    model_name: response.modelName,
    model_version: response.modelVersion,
    id: response.id,
    parameters: parameterMessages(response.parameters),
    outputs: response.outputs.map((output) => ({
      name: output.name,
      datatype: output.datatype,
      shape: output.shape,
      ...(asBytes ? {} : { contents: contentsOf(output) }),
    })),
    raw_output_contents: asBytes ? response.outputs.map(binaryOf) : [],
  };
}

function readParameters(given: InferParameters): Parameters {
  return Object.fromEntries(
    Object.entries(given).map(([key, { parameter_choice: choice, ...value }]): [string, string | number | boolean] => {
      switch (choice) {
        case 'bool_param':
          return [key, value.bool_param as boolean];
        case 'string_param':
          return [key, value.string_param as string];
        case 'double_param':
          return [key, value.double_param as number];
        case 'int64_param':
        case 'uint64_param':
          return [key, Number(int64(value[choice]))];
        default:
          throw invalid(`parameter ${JSON.stringify(key)} has no value`);
      }
    }),
  );
}

/** Parameters as the codec encodes them. */
export function parameterMessages(parameters: Parameters): InferParameters {
  return Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, parameterOf(value)]));
}

function parameterOf(value: string | number | boolean): InferParameter {
  if (typeof value === 'string') return { string_param: value };
  return typeof value === 'boolean' ? { bool_param: value } : { double_param: value };
}

function sizeOf(size: Int64): number {
  return Number(int64(size));
}
