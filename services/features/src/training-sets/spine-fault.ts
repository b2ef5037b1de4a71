import { Fault } from '@millrace/kernel';

/** What is wrong with a spine or with what is asked of it; the requester has to change it. */
export function spineFault(message: string): Fault {
  return new Fault('MR_FEATURES_SPINE', message, false);
}
