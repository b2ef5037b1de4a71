import type { Clock, Scheduler } from '@millrace/kernel';

/** The wall clock. */
export const systemClock: Clock = { now: () => Date.now() };

/** Node's timers. A pending delay does not keep the process alive. */
export const systemScheduler: Scheduler = {
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
