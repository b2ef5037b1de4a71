import type { StandingStates } from '@millrace/feature-engine';
import type { Scheduler } from '@millrace/kernel';
import type { ResourceCatalog, ServedFeatures } from '@millrace/resources';

export interface FollowServedOptions {
  readonly catalog: ResourceCatalog;
  readonly states: StandingStates;
  readonly served: ServedFeatures;
  readonly scheduler: Scheduler;
  /** The store could not be asked; it is tried again. */
  readonly failed: (error: unknown) => void;
}

const LOOK_MS = 100;
/** A view that nobody brings up, as the features service does not run, is looked at for as long as it is there. */
const LONGEST_PAUSE_MS = 1_000;

/**
 * Keeps what is served up to date: forgets what was compiled when a definition changes, and looks what views' names stand for until each stands
 * for what is applied. Returns how to stop, and whether the store was asked once of what there was.
 */
export function followServedFeatures({ catalog, states, served, scheduler, failed }: FollowServedOptions): {
  readonly stop: () => void;
  readonly hasLooked: () => boolean;
} {
  let isRunning = false;
  let isStopped = false;
  /** What the last look has not seen yet. */
  let isChanged = false;
  let hasFailed = false;
  let hasLooked = false;
  let wake: () => void = () => undefined;
  const follow = async (): Promise<void> => {
    let pause = LOOK_MS;
    for (let isSettled = false; !isStopped && (isChanged || !isSettled);) {
      if (isChanged) pause = LOOK_MS;
      isChanged = false;
      const views = catalog.list('FeatureView').flatMap(({ name }) => (served.isSettled(name) ? [] : [name]));
      try {
        if (await states.look(views)) served.forget();
        hasFailed = false;
        hasLooked ||= !isChanged;
        isSettled = views.every((name) => served.isSettled(name));
      } catch (error) {
        failed(error);
        hasFailed = true;
        isChanged = true;
      }
      if (isSettled && !isChanged) break;
      if (isChanged && !hasFailed) continue;
      await new Promise<void>((resolve) => {
        const cancel = scheduler.after(pause, resolve);
        wake = () => {
          cancel();
          resolve();
        };
      });
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
    isRunning = false;
  };
  const changed = (): void => {
    served.forget();
    isChanged = true;
    wake();
    if (isRunning || isStopped) return;
    isRunning = true;
    // Changes of one turn of the event loop are looked at once.
    setImmediate(() => void follow());
  };
  for (const kind of ['Source', 'Entity', 'FeatureView', 'FeatureService'] as const) catalog.onChange(kind, changed);
  return {
    stop: () => {
      isStopped = true;
      wake();
    },
    hasLooked: () => hasLooked || catalog.list('FeatureView').length === 0,
  };
}
