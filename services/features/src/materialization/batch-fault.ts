import { Fault } from '@millrace/kernel';

/** What is wrong with a source's query, table or files, or with what they give; whoever defines the source has to mend it. */
export function batchFault(message: string): Fault {
  return new Fault('MR_FEATURES_BATCH', message, false);
}
