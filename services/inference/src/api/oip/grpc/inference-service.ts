import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { openInferenceProto } from '@millrace/contracts';
import protobuf from 'protobufjs';

/** The calls we answer, by their names in the Protocol Buffers. */
export type Rpc =
  | 'ServerLive'
  | 'ServerReady'
  | 'ModelReady'
  | 'ServerMetadata'
  | 'ModelMetadata'
  | 'ModelInfer'
  | 'ModelStreamInfer'
  | 'ModelConfig'
  | 'ModelStatistics'
  | 'RepositoryIndex'
  | 'RepositoryModelLoad'
  | 'RepositoryModelUnload';

/** gRPC's description of the service, made of the Protocol Buffers. Fields keep their names; tensors' bytes are views of the message. */
export function inferenceService(): ServiceDefinition {
  const { root } = protobuf.parse(openInferenceProto(), { keepCase: true });
  root.resolveAll();
  const service = root.lookupService('inference.GRPCInferenceService');
  return Object.fromEntries(
    service.methodsArray.map((method): [string, MethodDefinition<object, object>] => {
      const request = method.resolvedRequestType as protobuf.Type;
      const response = method.resolvedResponseType as protobuf.Type;
      return [
        method.name,
        {
          path: `/inference.GRPCInferenceService/${method.name}`,
          requestStream: method.requestStream ?? false,
          responseStream: method.responseStream ?? false,
          requestSerialize: (message) => asBuffer(request.encode(request.fromObject(message)).finish()),
          requestDeserialize: (bytes) => request.decode(bytes),
          // Answers to inference are made in the codec's own form; the others name their enums.
          responseSerialize: (message) =>
            asBuffer(response.encode(isInference(method.name) ? message : response.fromObject(message)).finish()),
          responseDeserialize: (bytes) => response.decode(bytes),
        },
      ];
    }),
  );
}

function isInference(rpc: string): boolean {
  return rpc === 'ModelInfer' || rpc === 'ModelStreamInfer';
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
