import { readFileSync } from 'node:fs';

/** The text of the gateway's Protocol Buffers: the Open Inference Protocol over gRPC, package `inference`. */
export function openInferenceProto(): string {
  return readFileSync(new URL('./open-inference.proto', import.meta.url), 'utf8');
}
