import type { Scheduler } from '@millrace/kernel';

/** The {@link Scheduler} of the real world. */
export const timerScheduler: Scheduler = {
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};
