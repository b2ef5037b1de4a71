/** Why the gateway does not answer with a prediction. Closed: each protocol maps every code to its own errors. */
export type RefusalCode =
  /** The request is not what the protocol or the model's signature asks for; the message names the tensor and the expectation. */
  | 'MR_INFERENCE_INVALID'
  | 'MR_INFERENCE_UNKNOWN_MODEL'
  | 'MR_INFERENCE_UNKNOWN_VERSION'
  /** The model is known and still being loaded; asking again will help. */
  | 'MR_INFERENCE_LOADING'
  /** The model cannot be loaded: missing, changed since it was registered, or not servable. */
  | 'MR_INFERENCE_UNSERVABLE'
  /** The version is there, and a policy keeps it from being served until it is promoted. */
  | 'MR_INFERENCE_NOT_ADMITTED'
  /** The model's queue is full. */
  | 'MR_INFERENCE_BUSY'
  | 'MR_INFERENCE_DEADLINE'
  /** Who asked has left; nobody reads this answer, but the record of the request does. */
  | 'MR_INFERENCE_CANCELLED'
  /** The thread that ran the request ended; asking again will help unless this very request makes it end. */
  | 'MR_INFERENCE_CRASHED'
  /** The repository will not do it: a deployment keeps the model loaded, or files were sent along. */
  | 'MR_INFERENCE_REPOSITORY'
  /** The runtime failed on this request. */
  | 'MR_INFERENCE_FAILED'
  /** The log does not take the record of a prediction, and this process answers nothing that it cannot record. */
  | 'MR_INFERENCE_UNRECORDED'
  /** Features could not be read. */
  | 'MR_INFERENCE_FEATURES';

/** A refusal as it travels to the protocol's edge. Told apart by `name` and `code`, not by class. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  constructor(
    readonly code: RefusalCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

export function isRefusal(error: unknown): error is Refusal {
  return error instanceof Error && error.name === 'Refusal';
}

export function invalid(message: string): Refusal {
  return new Refusal('MR_INFERENCE_INVALID', message);
}
