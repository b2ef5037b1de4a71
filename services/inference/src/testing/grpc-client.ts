import { Client, credentials, Metadata, type CallOptions, type MethodDefinition, type ServiceError } from '@grpc/grpc-js';
import { inferenceService, type Rpc } from '../api/oip/grpc/inference-service.js';

export interface GrpcAnswer<T> {
  readonly code: number;
  readonly details: string;
  /** Milliseconds the server asks to wait, where it does. */
  readonly pushback: string | undefined;
  readonly response: T | undefined;
}

/** A client of our own service description, for tests: an error is an answer. */
export class GrpcClient {
  readonly #client: Client;
  readonly #service = inferenceService();

  /** `tls`: whom it trusts, and who it is. */
  constructor(address: string, tls?: { readonly ca: Buffer; readonly cert: Buffer | null; readonly key: Buffer | null }) {
    const channel = tls ? credentials.createSsl(tls.ca, tls.key, tls.cert) : credentials.createInsecure();
    this.#client = new Client(address, channel, { 'grpc.max_receive_message_length': -1 });
  }

  /** `cancelled`: calls it off in the same turn. */
  call<T>(
    rpc: Rpc,
    request: object,
    options: CallOptions & { readonly metadata?: Readonly<Record<string, string>>; readonly cancelled?: boolean } = {},
  ): Promise<GrpcAnswer<T>> {
    const { metadata = {}, cancelled = false, ...callOptions } = options;
    const sent = new Metadata();
    for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
    const { path, requestSerialize, responseDeserialize } = this.#service[rpc] as MethodDefinition<object, object>;
    return new Promise((resolve) => {
      const done = (error: ServiceError | null, response?: object): void => {
        const pushback = error?.metadata.get('grpc-retry-pushback-ms')[0]?.toString();
        resolve({ code: error?.code ?? 0, details: error?.details ?? '', pushback, response: response as T | undefined });
      };
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize as (bytes: Buffer) => object,
        request,
        sent,
        callOptions,
        done,
      );
      if (cancelled) call.cancel();
    });
  }

  /** Opens a stream, and sends one message on it. `first` is its answer, `ended` how the server ended it. */
  stream(
    request: object,
    metadata: Readonly<Record<string, string>>,
  ): { readonly first: Promise<unknown>; readonly ended: Promise<{ code: number; details: string }> } {
    const sent = new Metadata();
    for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
    const { path, requestSerialize, responseDeserialize } = this.#service['ModelStreamInfer'] as MethodDefinition<object, object>;
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize as (bytes: Buffer) => object, sent, {});
    // `status` tells it too.
    call.on('error', () => undefined);
    const first = new Promise((resolve) => void call.once('data', resolve));
    const ended = new Promise<{ code: number; details: string }>((resolve) => void call.once('status', resolve));
    call.write(request);
    return { first, ended };
  }

  /** Sends bytes as they are instead of a message. */
  callWithBytes(rpc: Rpc, bytes: Buffer, metadata: Readonly<Record<string, string>> = {}): Promise<GrpcAnswer<Buffer>> {
    const sent = new Metadata();
    for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
    return new Promise((resolve) => {
      const path = `/inference.GRPCInferenceService/${rpc}`;
      this.#client.makeUnaryRequest(
        path,
        (one: Buffer) => one,
        (one: Buffer) => one,
        bytes,
        sent,
        (error: ServiceError | null, response?: Buffer) =>
          resolve({ code: error?.code ?? 0, details: error?.details ?? '', pushback: undefined, response }),
      );
    });
  }

  encode(rpc: Rpc, request: object): Buffer {
    return (this.#service[rpc] as MethodDefinition<object, object>).requestSerialize(request);
  }

  close(): void {
    this.#client.close();
  }
}
