import type { RefusalCode } from '../../domain/refusal.js';

/** The protocol says "any HTTP error status"; these are the ones its clients and gateways treat rightly. */
export const OIP_STATUS: Readonly<Record<RefusalCode, number>> = {
  MR_INFERENCE_INVALID: 400,
  MR_INFERENCE_UNKNOWN_MODEL: 404,
  MR_INFERENCE_UNKNOWN_VERSION: 404,
  MR_INFERENCE_LOADING: 503,
  MR_INFERENCE_UNSERVABLE: 503,
  MR_INFERENCE_BUSY: 429,
  MR_INFERENCE_DEADLINE: 504,
  // What proxies write into their logs for a client that left; nobody receives it.
  MR_INFERENCE_CANCELLED: 499,
  MR_INFERENCE_CRASHED: 503,
  MR_INFERENCE_FAILED: 500,
  MR_INFERENCE_FEATURES: 503,
};

/** Seconds after which asking again may help; sent as Retry-After. */
export const RETRY_AFTER: Partial<Readonly<Record<RefusalCode, number>>> = {
  MR_INFERENCE_LOADING: 1,
  MR_INFERENCE_BUSY: 1,
  MR_INFERENCE_CRASHED: 1,
  MR_INFERENCE_FEATURES: 1,
};
