import { Fault } from '@millrace/kernel';
import protobuf from 'protobufjs';
import { ONNX_SCHEMA } from './onnx-schema.js';
import type { ModelProto } from './onnx-types.js';

const modelType = protobuf.parse(ONNX_SCHEMA).root.lookupType('onnx.ModelProto');

/**
 * Decodes a model. Fields of a newer format than ours are kept as bytes and written back by {@link writeModel}, so a rewrite
 * loses nothing. Throws the fault `MR_ONNX_UNREADABLE` when the bytes are not a protobuf of an ONNX model.
 */
export function readModel(bytes: Uint8Array): ModelProto {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = false;
  let model: ModelProto;
  try {
    model = modelType.decode(reader) as ModelProto;
  } catch (error) {
    throw new Fault(
      'MR_ONNX_UNREADABLE',
      `the bytes are not an ONNX model: ${error instanceof Error ? error.message : String(error)}`,
      false,
      {
        cause: error,
      },
    );
  }
  if (!model.graph) throw new Fault('MR_ONNX_UNREADABLE', 'the bytes are not an ONNX model: they hold no graph', false);
  return model;
}

/** Encodes a model, decoded before or made by hand. */
export function writeModel(model: ModelProto): Uint8Array {
  return modelType.encode(model).finish();
}

/** The model's own key-value metadata; a key repeated keeps its last value. */
export function metadataOf(model: ModelProto): ReadonlyMap<string, string> {
  return new Map((model.metadataProps ?? []).map((entry) => [entry.key ?? '', entry.value ?? '']));
}

/** Sets one metadata entry in place. */
export function setMetadata(model: ModelProto, key: string, value: string): void {
  const others = (model.metadataProps ?? []).filter((entry) => entry.key !== key);
  model.metadataProps = [...others, { key, value }];
}
