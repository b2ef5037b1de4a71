import { status as Grpc } from '@grpc/grpc-js';
import type { RefusalCode } from '../../domain/refusal.js';

/** The protocol says "any HTTP error status"; these are the ones its clients and gateways treat rightly. */
export const OIP_STATUS: Readonly<Record<RefusalCode, number>> = {
  MR_INFERENCE_INVALID: 400,
  MR_INFERENCE_UNKNOWN_MODEL: 404,
  MR_INFERENCE_UNKNOWN_VERSION: 404,
  MR_INFERENCE_LOADING: 503,
  MR_INFERENCE_UNSERVABLE: 503,
  MR_INFERENCE_NOT_ADMITTED: 403,
  MR_INFERENCE_BUSY: 429,
  MR_INFERENCE_DEADLINE: 504,
  // What proxies write into their logs for a client that left; nobody receives it.
  MR_INFERENCE_CANCELLED: 499,
  MR_INFERENCE_CRASHED: 503,
  MR_INFERENCE_REPOSITORY: 400,
  MR_INFERENCE_FAILED: 500,
  MR_INFERENCE_UNRECORDED: 503,
  MR_INFERENCE_FEATURES: 503,
};

/** Seconds after which asking again may help; sent as Retry-After. */
export const RETRY_AFTER: Partial<Readonly<Record<RefusalCode, number>>> = {
  MR_INFERENCE_LOADING: 1,
  MR_INFERENCE_BUSY: 1,
  MR_INFERENCE_CRASHED: 1,
  MR_INFERENCE_UNRECORDED: 1,
  MR_INFERENCE_FEATURES: 1,
};

/** The same in gRPC's words. */
export const GRPC_STATUS: Readonly<Record<RefusalCode, Grpc>> = {
  MR_INFERENCE_INVALID: Grpc.INVALID_ARGUMENT,
  MR_INFERENCE_UNKNOWN_MODEL: Grpc.NOT_FOUND,
  MR_INFERENCE_UNKNOWN_VERSION: Grpc.NOT_FOUND,
  MR_INFERENCE_LOADING: Grpc.UNAVAILABLE,
  MR_INFERENCE_UNSERVABLE: Grpc.UNAVAILABLE,
  MR_INFERENCE_NOT_ADMITTED: Grpc.PERMISSION_DENIED,
  MR_INFERENCE_BUSY: Grpc.RESOURCE_EXHAUSTED,
  MR_INFERENCE_DEADLINE: Grpc.DEADLINE_EXCEEDED,
  MR_INFERENCE_CANCELLED: Grpc.CANCELLED,
  MR_INFERENCE_CRASHED: Grpc.UNAVAILABLE,
  MR_INFERENCE_REPOSITORY: Grpc.FAILED_PRECONDITION,
  MR_INFERENCE_FAILED: Grpc.INTERNAL,
  MR_INFERENCE_UNRECORDED: Grpc.UNAVAILABLE,
  MR_INFERENCE_FEATURES: Grpc.UNAVAILABLE,
};

/** What other parts say by an HTTP status: who may come in. */
export const GRPC_STATUS_OF_HTTP: Readonly<Record<number, Grpc>> = {
  400: Grpc.INVALID_ARGUMENT,
  401: Grpc.UNAUTHENTICATED,
  403: Grpc.PERMISSION_DENIED,
  404: Grpc.NOT_FOUND,
  503: Grpc.UNAVAILABLE,
};
