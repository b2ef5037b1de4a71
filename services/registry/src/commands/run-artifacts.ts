import type { Command, Decider, DecisionReplica, Event, Rejection } from '@millrace/kernel';
import type { LoggedModelArtifacts, TrackedArtifacts } from './source-resolver.js';

/** A dataset a run named as its input. */
export interface RunDataset {
  readonly name: string;
  readonly digest: string;
  /** What it was for, as the client says (`training`, `eval`); `null` when it does not. */
  readonly context: string | null;
}

/** What the registry wants to know of another domain's run. */
export interface RunFacts {
  readonly artifactUri: string;
  readonly experimentId: string;
  readonly startTime: number;
  name: string;
  status: string;
  endTime: number | null;
  datasets?: RunDataset[];
  /** Ids of the platform's own training sets it was trained on. */
  trainingSets?: string[];
  /** Versions of feature services it was trained on, `delay_model@3`: what its model is to be served with. */
  featureServices?: string[];
}

type RunState = RunFacts | null;

/** Params and tags in which a run names its training set. */
const TRAINING_SET_KEYS = ['training_set', 'trainingSet', 'millrace.trainingSet', 'millrace.training_set'];
/** And those in which it names the version of its feature service. */
const FEATURE_SERVICE_KEYS = ['feature_service', 'featureService', 'millrace.featureService', 'millrace.feature_service'];
const CONTEXT_TAG = 'mlflow.data.context';
/** More say nothing for a check or a lineage, and a run's facts are read whole. */
const MOST_DATASETS = 100;

interface CreatedData extends Pick<RunFacts, 'artifactUri' | 'experimentId' | 'startTime' | 'name'> {
  readonly tags?: Readonly<Record<string, string>>;
}

/** Raised when what the folds below call, or the keys they look for, change: what is stored is then folded anew. */
export const RUN_FACTS_VERSION = 1;

/** Folds `run/<id>` of the tracking decisions. It decides nothing: runs are not the registry's. */
export const runFacts: Decider<RunState, Command, Event, Rejection> = {
  initial: () => null,
  evolve: (state, event) => {
    if (event.type === 'RunCreated') {
      const { artifactUri, experimentId, startTime, name, tags } = event.data as CreatedData;
      return withTrainingSets({ artifactUri, experimentId, startTime, name, status: 'RUNNING', endTime: null }, tags ?? {});
    }
    if (!state) return state;
    switch (event.type) {
      case 'RunUpdated':
      case 'RunFinished': {
        const { status, endTime, name } = event.data as { status: string | null; endTime: number | null; name: string | null };
        state.status = status ?? state.status;
        state.endTime = endTime ?? state.endTime;
        state.name = name ?? state.name;
        return state;
      }
      case 'RunAnnotated': {
        const { params, tags } = event.data as Readonly<Record<'params' | 'tags', Readonly<Record<string, string>>>>;
        return withTrainingSets(withTrainingSets(state, params), tags);
      }
      case 'DatasetsLogged': {
        const { inputs } = event.data as { inputs: readonly { name: string; digest: string; tags: Readonly<Record<string, string>> }[] };
        const added = inputs.map(({ name, digest, tags }) => ({ name, digest, context: tags[CONTEXT_TAG] ?? null }));
        state.datasets = [...(state.datasets ?? []), ...added].slice(0, MOST_DATASETS);
        return state;
      }
      default:
        return state;
    }
  },
  decide: () => {
    throw new TypeError('the registry decides nothing about runs');
  },
};

function withTrainingSets(state: RunFacts, values: Readonly<Record<string, string>>): RunFacts {
  for (const id of named(values, TRAINING_SET_KEYS)) {
    if (!state.trainingSets?.includes(id)) state.trainingSets = [...(state.trainingSets ?? []), id].slice(0, MOST_DATASETS);
  }
  for (const service of named(values, FEATURE_SERVICE_KEYS)) {
    if (!state.featureServices?.includes(service))
      state.featureServices = [...(state.featureServices ?? []), service].slice(0, MOST_DATASETS);
  }
  return state;
}

function named(values: Readonly<Record<string, string>>, keys: readonly string[]): string[] {
  return keys.flatMap((key) => (values[key] === undefined || values[key] === '' ? [] : [values[key]]));
}

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

/** The tracking decisions as the registry follows them. */
export interface FollowedTracking {
  readonly replica: DecisionReplica;
  barrier(): Promise<void>;
}

/** A run as far as this process has read. */
export function runFactsOf(tracking: FollowedTracking, runId: string): RunFacts | undefined {
  if (!/^[\w-]{1,256}$/.test(runId)) return undefined;
  return (tracking.replica.subject(`run/${runId}`).state as RunState) ?? undefined;
}

/** Where runs and logged models keep their artifacts, by the tracking decisions the log holds at the moment of asking. */
export function trackedArtifacts(tracking: FollowedTracking): TrackedArtifacts {
  return {
    ofRun: async (runId) => {
      await tracking.barrier();
      return runFactsOf(tracking, runId)?.artifactUri;
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
