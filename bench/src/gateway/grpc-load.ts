import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { openInferenceProto } from '@millrace/contracts';
import protobuf from 'protobufjs';
import { quantile } from '../bench-result.js';
import type { Load } from './wrk.js';

const PATH = '/inference.GRPCInferenceService/ModelInfer';

/** So many calls at once over one connection, each made again when it is answered. The client takes about as long for a call as the server. */
export async function grpcLoad(port: number, request: object, calls: number, seconds: number): Promise<Load> {
  const { root } = protobuf.parse(openInferenceProto(), { keepCase: true });
  const type = root.lookupType('inference.ModelInferRequest');
  const message = Buffer.from(type.encode(type.fromObject(request)).finish());
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  const ask = (): Promise<void> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(PATH, same, same, message, new Metadata(), (error) => (error ? reject(error) : resolve()));
    });
  const took: number[] = [];
  const started = performance.now();
  const one = async (): Promise<void> => {
    while (performance.now() - started < seconds * 1000) {
      const sent = performance.now();
      await ask();
      took.push(performance.now() - sent);
    }
  };
  try {
    await Promise.all(Array.from({ length: calls }, one));
  } finally {
    client.close();
  }
  const elapsed = performance.now() - started;
  took.sort((a, b) => a - b);
  return { rate: (took.length * 1000) / elapsed, p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
}
