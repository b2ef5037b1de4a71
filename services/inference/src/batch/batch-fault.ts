import { Fault, isFault } from '@millrace/kernel';
import { isRefusal, type RefusalCode } from '../domain/refusal.js';

/** What is wrong with a job's input or with what is asked of it; the requester has to change it. */
export function batchFault(message: string): Fault {
  return new Fault('MR_INFERENCE_BATCH_INPUT', message, false);
}

const PASSING: readonly RefusalCode[] = [
  'MR_INFERENCE_LOADING',
  'MR_INFERENCE_BUSY',
  'MR_INFERENCE_DEADLINE',
  'MR_INFERENCE_FEATURES',
  // The thread may have ended of somebody else's request, and another is there in a moment.
  'MR_INFERENCE_CRASHED',
];

/** Whether what stopped a job passes by itself: the model is being loaded, its queue is full, its thread ended, a store is away or full. */
export function passes(error: unknown): boolean {
  return isFault(error) ? error.retryable : isRefusal(error) && PASSING.includes(error.code);
}
