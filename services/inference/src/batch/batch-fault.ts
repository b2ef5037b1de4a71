import { Fault } from '@millrace/kernel';

/** What is wrong with a job's input or with what is asked of it; the requester has to change it. */
export function batchFault(message: string): Fault {
  return new Fault('MR_INFERENCE_BATCH_INPUT', message, false);
}
