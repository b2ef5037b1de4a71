import { parseExactJson } from '@millrace/kernel';
import { isUtf8 } from 'node:buffer';
import { invalid } from '../../domain/refusal.js';
import { elementsOf, type Tensor } from '../../domain/tensor/tensor.js';
import { tensorFromBinary } from './binary-tensor.js';
import { isDeeperThan } from './json-depth.js';
import { tensorFromJson } from './json-tensor.js';
import { readTensorHead } from './tensor-head.js';
import { refuseUnoffered } from './unoffered.js';

export type Parameters = Readonly<Record<string, string | number | boolean>>;

export interface RequestedOutput {
  readonly name: string;
  readonly binary: boolean;
}

export interface InferRequest {
  readonly id: string | undefined;
  readonly parameters: Parameters;
  readonly inputs: readonly Tensor[];
  /** `undefined`: all of the model's. */
  readonly outputs: readonly RequestedOutput[] | undefined;
  /** Whether outputs not asked for by name come in binary. */
  readonly binaryByDefault: boolean;
}

/** A request needs six levels and the ranks of its tensors. */
const MAX_DEPTH = 64;
const DATA = '"data"';

/** `jsonLength`: the header Inference-Header-Content-Length; the bytes after it are binary tensors in the order of the inputs. */
export function parseInferRequest(body: Buffer, jsonLength: number | undefined): InferRequest {
  if (jsonLength !== undefined && (!Number.isSafeInteger(jsonLength) || jsonLength < 0 || jsonLength > body.length))
    throw invalid(`Inference-Header-Content-Length is ${jsonLength}; the body has ${body.length} bytes`);
  const text = textOf(body.subarray(0, jsonLength ?? body.length));
  const json = parse(text);
  const binary = new BinaryPart(body.subarray(jsonLength ?? body.length), body.length);
  const parameters = readParameters('request', json['parameters']);
  // Clients that write their models out whole say null of what they leave out.
  const id = json['id'] ?? undefined;
  if (id !== undefined && typeof id !== 'string') throw invalid('id must be a string');
  const inputs = json['inputs'];
  // A model may take none; one that does names the input that is missing.
  if (!Array.isArray(inputs)) throw invalid('inputs must be a list of tensors');
  const sent = inputs.length === 1 ? dataIn(text) : undefined;
  const tensors = inputs.map((input) => readInput(input, binary, sent));
  binary.end();
  const binaryByDefault = flagOf('request', parameters, 'binary_data_output') ?? false;
  return {
    id,
    parameters,
    inputs: tensors,
    outputs: readOutputs(json['outputs'], binaryByDefault),
    binaryByDefault,
  };
}

function textOf(bytes: Buffer): string {
  // Each level costs some fifty times its byte in memory, so depth is bounded before anything is made of it.
  if (isDeeperThan(bytes, MAX_DEPTH)) throw invalid(`the request's JSON is nested deeper than ${MAX_DEPTH} levels`);
  const text = bytes.toString('utf8');
  if (text.includes('\ufffd') && !isUtf8(bytes)) throw invalid('the request is not JSON: its bytes are not UTF-8');
  return text;
}

function parse(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    // Nearly no request has tensors of 64-bit integers, and looking for the word is ten times faster than looking for such a number.
    value = text.includes('INT64') ? parseExactJson(text) : JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = /\b(NaN|Infinity)\b/.test(text) ? '; JSON has no NaN and no Infinity: send null for a missing value, or binary data' : '';
    throw invalid(`the request is not JSON: ${reason}${hint}`);
  }
  return asObject('the request', value);
}

/** Longer requests would be held in memory twice. */
const MAX_TEXT = 64 * 1024;
/** What else a request may say, beside as much again as its data: a part of a text holds the whole of it. */
const MAX_BESIDE = 1024;

/**
 * Of a request of one input: the text from where its data begins to the first bracket that closes, which is all of them where they are a flat list of numbers. Where the word
 * stands once and nothing is written by escapes, it is the name of that list.
 */
function dataIn(text: string): string | undefined {
  const at = text.indexOf(DATA);
  if (at < 0 || text.length > MAX_TEXT || text.includes(DATA, at + DATA.length) || text.includes('\\')) return undefined;
  const data = text.slice(text.indexOf('[', at), text.indexOf(']', at) + 1);
  return text.length > 2 * data.length + MAX_BESIDE ? undefined : data;
}

function readInput(value: unknown, binary: BinaryPart, sent: string | undefined): Tensor {
  const input = asObject('an input', value);
  const { name, datatype, sizes } = readTensorHead(input['name'], input['datatype'], input['shape']);
  const owner = `input ${JSON.stringify(name)}`;
  const parameters = readParameters(owner, input['parameters']);
  refuseUnoffered(owner, parameters);
  const size = parameters['binary_data_size'];
  if (size !== undefined) {
    if (input['data'] !== undefined) throw invalid(`${owner} has both data and binary_data_size`);
    return tensorFromBinary(name, datatype, sizes, binary.take(name, size));
  }
  // A shape that claims more than the data could hold is met before memory is reserved for it.
  if (elementsOf(sizes) > binary.bodyLength) {
    throw invalid(`${owner}: the data is shorter than shape [${sizes.join(',')}]`);
  }
  return tensorFromJson(name, datatype, sizes, input['data'], sent);
}

function readOutputs(value: unknown, binaryByDefault: boolean): RequestedOutput[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw invalid('outputs must be a list');
  const seen = new Set<string>();
  const outputs = value.map((item) => {
    const output = asObject('an output', item);
    const { name } = output;
    if (typeof name !== 'string') throw invalid('an output has no name');
    if (seen.has(name)) throw invalid(`output ${JSON.stringify(name)} is asked for twice`);
    seen.add(name);
    const owner = `output ${JSON.stringify(name)}`;
    const parameters = readParameters(owner, output['parameters']);
    refuseUnoffered(owner, parameters);
    return { name, binary: flagOf(owner, parameters, 'binary_data') ?? binaryByDefault };
  });
  return outputs.length === 0 ? undefined : outputs;
}

function readParameters(owner: string, value: unknown): Parameters {
  if (value === undefined || value === null) return {};
  const parameters = asObject(`parameters of ${owner}`, value);
  for (const [key, item] of Object.entries(parameters)) {
    if (typeof item !== 'string' && typeof item !== 'number' && typeof item !== 'boolean')
      throw invalid(`parameter ${JSON.stringify(key)} of ${owner} must be a string, a number or a boolean`);
  }
  return parameters as Parameters;
}

function flagOf(owner: string, parameters: Parameters, name: string): boolean | undefined {
  const value = parameters[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalid(`parameter ${JSON.stringify(name)} of ${owner} is ${JSON.stringify(value)}; it must be true or false`);
}

function asObject(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalid(`${what} must be an object`);
  return value as Readonly<Record<string, unknown>>;
}

/** The bytes behind the JSON part, handed out in order. */
class BinaryPart {
  #offset = 0;

  constructor(
    private readonly bytes: Buffer,
    /** Of the whole request: no tensor given as JSON has more elements than this. */
    readonly bodyLength: number,
  ) {}

  take(name: string, size: string | number | boolean): Buffer {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || this.#offset + size > this.bytes.length)
      throw invalid(
        `input ${JSON.stringify(name)}: binary_data_size ${String(size)} does not fit; ${this.bytes.length - this.#offset} bytes of binary data are left`,
      );
    const start = this.#offset;
    this.#offset += size;
    return this.bytes.subarray(start, this.#offset);
  }

  end(): void {
    if (this.#offset !== this.bytes.length) throw invalid(`${this.bytes.length - this.#offset} bytes of binary data belong to no input`);
  }
}
