import type { ExperimentDefinition } from '../domain/deployment/definitions.js';
import { isRefusal, type RefusalCode } from '../domain/refusal.js';
import type { Slot } from '../models/model-host.js';
import type { ServedModel } from '../models/served-model.js';

/** Failures that another model would not mend: the request's own, and those that have used up its time. */
const FINAL: readonly RefusalCode[] = ['MR_INFERENCE_INVALID', 'MR_INFERENCE_DEADLINE', 'MR_INFERENCE_CANCELLED'];

/** Rows of a request on their way through one model. */
export interface Runnable {
  readonly group: { readonly variant: string | null; readonly reference: string; readonly rows: readonly number[] };
  readonly model: ServedModel;
  readonly experiment: ExperimentDefinition | undefined;
}

export interface FallbackOptions<W, P> {
  readonly served: {
    readonly reference: string;
    readonly slotOf: (reference: string) => Slot | undefined;
    readonly load?: (reference: string, waitMs: number) => Promise<void>;
  };
  /** Milliseconds that are left to answer. */
  readonly leftMs: () => number;
  /** Runs the rows, and records how it went. */
  readonly run: (work: W) => Promise<P>;
}

/** What answered: the rows' own model, or the primary instead. */
export interface Ran<W, P> {
  readonly work: W;
  readonly part: P;
}

/**
 * Runs the rows; where a rollout's candidate fails them, the primary answers with the time that is left. The candidate's failure is on record as
 * its own; the primary's answer is recorded outside of the rollout: it was given because the candidate failed, so it says nothing of the primary's share.
 */
export async function runOrFallBack<W extends Runnable, P>(options: FallbackOptions<W, P>, work: W): Promise<Ran<W, P>> {
  const { served, run, leftMs } = options;
  try {
    return { work, part: await run(work) };
  } catch (failure) {
    const { group, experiment } = work;
    if (!experiment?.fallsBack || group.variant !== 'candidate' || leftMs() <= 0) throw failure;
    if (isRefusal(failure) && FINAL.includes(failure.code)) throw failure;
    const { reference } = served;
    if (served.load && !served.slotOf(reference)?.current) await served.load(reference, leftMs());
    const model = served.slotOf(reference)?.current;
    if (!model) throw failure;
    const instead: W = { ...work, group: { ...group, variant: 'primary', reference }, model, experiment: undefined };
    const release = model.lease();
    try {
      return { work: instead, part: await run(instead) };
    } finally {
      release();
    }
  }
}
