import type { RefusalCode } from '../domain/refusal.js';
import type { Tensor } from '../domain/tensor/tensor.js';
import type { ModelFiles, ServableSignature } from '../models/servable-model.js';

/** What a session's thread is asked. One request is answered after the other; `id` pairs them. */
export type ThreadRequest = { readonly id: number } & (
  | { readonly kind: 'run'; readonly inputs: readonly Tensor[]; readonly outputs: readonly string[] }
  /** Checks a graph and makes it one the runtime can serve; answers with its bytes. */
  | { readonly kind: 'prepare'; readonly label: string; readonly files: ModelFiles }
  /** Loads and tries the graph that was prepared. */
  | { readonly kind: 'open' }
  /** Frees the session and hands the graph back, to be opened elsewhere. */
  | { readonly kind: 'give-back' }
  /** Frees the graph's bytes; the session is enough. */
  | { readonly kind: 'keep' }
);

/** A graph as it was opened and tried. */
export interface Trial extends ServableSignature {
  /** Bytes of the graph that was opened. */
  readonly graphBytes: number;
  /** How long the runtime took to load it. */
  readonly openMs: number;
  /** Times of runs over one row of zeros after the first, which allocates and picks kernels; none when it could not be tried. */
  readonly warmUpMs: readonly number[];
  /** What went wrong in the warm-up; some models cannot take zeros. */
  readonly warmUpError: string | undefined;
  /** A row's answer depends on the rows beside it. */
  readonly mixesRows: boolean;
}

export interface ThreadRun {
  readonly outputs: Tensor[];
  readonly computeMs: number;
  readonly cpuMs: number;
}

export interface ThreadFailure {
  readonly code: RefusalCode | undefined;
  readonly message: string;
}

export type ThreadReply = { readonly id: number } & (
  | { readonly ok: true; readonly value: Trial | ThreadRun | Uint8Array | number | undefined }
  | { readonly ok: false; readonly failure: ThreadFailure }
);

/** The buffers of typed arrays that fill theirs, each once: those can be moved to another thread. */
export function movable(arrays: readonly (ArrayBufferView | readonly string[])[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const array of arrays) {
    if (!ArrayBuffer.isView(array) || !(array.buffer instanceof ArrayBuffer)) continue;
    if (array.byteLength > 0 && array.byteLength === array.buffer.byteLength) buffers.add(array.buffer);
  }
  return [...buffers];
}
