import type { Command, Decider, DecisionReplica, Event, Rejection } from '@millrace/kernel';
import type { RunArtifactUri } from './source-resolver.js';

/** All the registry wants to know of another domain's run: where its artifacts are. `null` until it is created. */
type RunArtifacts = string | null;

/** Folds `run/<id>` of the tracking decisions. It decides nothing: runs are not the registry's. */
export const runArtifacts: Decider<RunArtifacts, Command, Event, Rejection> = {
  initial: () => null,
  evolve: (state, event) => (event.type === 'RunCreated' ? ((event.data as { artifactUri?: unknown }).artifactUri as RunArtifacts) : state),
  decide: () => {
    throw new TypeError('the registry decides nothing about runs');
  },
};

/** Where a run keeps its artifacts, by the tracking decisions the log holds at the moment of asking. */
export function runArtifactUris(tracking: { readonly replica: DecisionReplica; barrier(): Promise<void> }): RunArtifactUri {
  return async (runId) => {
    if (!/^[\w-]{1,256}$/.test(runId)) return undefined;
    await tracking.barrier();
    return (tracking.replica.subject(`run/${runId}`).state as RunArtifacts) ?? undefined;
  };
}
