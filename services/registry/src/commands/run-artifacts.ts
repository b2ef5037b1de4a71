import type { Command, Decider, DecisionReplica, Event, Rejection } from '@millrace/kernel';
import type { LoggedModelArtifacts, TrackedArtifacts } from './source-resolver.js';

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

/** Folds `logged-model/<id>` of the tracking decisions: where its files are and which run made it; `null` while it is not there. */
export const loggedModelArtifacts: Decider<LoggedModelArtifacts | null, Command, Event, Rejection> = {
  initial: () => null,
  evolve: (state, event) => {
    if (event.type === 'LoggedModelDeleted') return null;
    if (event.type !== 'LoggedModelCreated') return state;
    const { artifactUri, sourceRunId } = event.data as LoggedModelArtifacts;
    return { artifactUri, sourceRunId };
  },
  decide: () => {
    throw new TypeError('the registry decides nothing about logged models');
  },
};

/** Where runs and logged models keep their artifacts, by the tracking decisions the log holds at the moment of asking. */
export function trackedArtifacts(tracking: { readonly replica: DecisionReplica; barrier(): Promise<void> }): TrackedArtifacts {
  return {
    ofRun: async (runId) => {
      if (!/^[\w-]{1,256}$/.test(runId)) return undefined;
      await tracking.barrier();
      return (tracking.replica.subject(`run/${runId}`).state as RunArtifacts) ?? undefined;
    },
    ofLoggedModel: async (modelId) => {
      if (!isLoggedModelId(modelId)) return undefined;
      await tracking.barrier();
      return (tracking.replica.subject(`logged-model/${modelId}`).state as LoggedModelArtifacts | null) ?? undefined;
    },
  };
}

/** What tells the id of a logged model from the name of a registered one in `models:/...`. */
export function isLoggedModelId(text: string): boolean {
  return /^m-[0-9a-f]{32}$/.test(text);
}
