import { accept, reject, unchanged, type Command, type Decider, type Decision, type EventContext, type Rejection } from '@millrace/kernel';
import { FINAL_STATUSES, type DatasetInput, type FinalStatus, type ModelOutput, type RunEvent, type RunStatus } from './run.events.js';
import { followed, type Followed } from '../followed.js';

/** The tag MLflow clients show as the run's name; it and the name are one thing. */
export const RUN_NAME_TAG = 'mlflow.runName';
/** Names the server a run was brought from. */
export const IMPORTED_FROM_TAG = 'millrace.importedFrom';
/** The tag in which MLflow 2 clients find the models a run has logged: a JSON list. */
export const MODEL_HISTORY_TAG = 'mlflow.log-model.history';

export interface Run {
  readonly runId: string;
  readonly experimentId: string;
  name: string;
  readonly userId: string;
  status: RunStatus;
  readonly startTime: number;
  endTime: number | null;
  readonly artifactUri: string;
  deleted: boolean;
  /** Only there once it is gone for good: nobody is shown it, and nothing can be done with it any more. */
  purged?: true;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
  readonly datasets: DatasetInput[];
  /** Of a run that was brought from another server: what was changed here since, as `changesOf` names it. Absent until something is. */
  changedHere?: Set<string>;
  /** The logged models it used and made; absent until there is one. */
  models?: { readonly inputs: string[]; readonly outputs: ModelOutput[] };
}

/** `null` until it is created. */
export type RunState = Run | null;

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export type RunCommand =
  | (Command<'CreateRun'> & {
      readonly runId: string;
      readonly experimentId: string;
      readonly name: string;
      readonly userId: string;
      readonly startTime: number;
      readonly artifactUri: string;
      readonly tags: readonly KeyValue[];
    })
  | (Command<'UpdateRun'> & Followed & { readonly status: RunStatus | null; readonly endTime: number | null; readonly name: string | null })
  | (Command<'DeleteRun'> & Followed)
  | (Command<'RestoreRun'> & Followed)
  /** `withExperiment`: its experiment is deleted, and so is the run, whatever its own state. */
  | (Command<'PurgeRun'> & { readonly withExperiment: boolean })
  | (Command<'AnnotateRun'> & Followed & { readonly params: readonly KeyValue[]; readonly tags: readonly KeyValue[] })
  | (Command<'UntagRun'> & { readonly key: string })
  | (Command<'LogDatasets'> & { readonly inputs: readonly DatasetInput[] })
  | (Command<'LinkModels'> & { readonly inputs: readonly string[]; readonly outputs: readonly ModelOutput[] })
  /** `model` is the description an MLflow 2 client sends of a model it logged. */
  | (Command<'RecordModel'> & { readonly model: unknown });

export type RunRejection = Rejection<
  | 'MR_TRACKING_RUN_NOT_FOUND'
  | 'MR_TRACKING_RUN_EXISTS'
  | 'MR_TRACKING_RUN_NOT_ACTIVE'
  | 'MR_TRACKING_RUN_NOT_DELETED'
  | 'MR_TRACKING_RUN_TAG_NOT_FOUND'
  | 'MR_TRACKING_PARAM_CHANGED'
  | 'MR_TRACKING_PARAM_REPEATED'
>;

type RunDecision = Decision<RunEvent, RunRejection>;

/** One execution: created in an experiment, annotated while it is active, finished, deleted and restored. */
export const run: Decider<RunState, RunCommand, RunEvent, RunRejection> = {
  initial: () => null,

  evolve(state, event, context) {
    if (event.type === 'RunCreated') {
      const { tags, ...created } = event.data;
      const running = { ...created, status: 'RUNNING', endTime: null, deleted: false } as const;
      return { ...running, params: new Map(), tags: new Map(Object.entries(tags)), datasets: [] };
    }
    // Cannot be: the decider gives an absent run no other event. It must not stop the fold.
    if (!state) return null;
    noteChangeHere(state, event);
    return evolveRun(state, event, context);
  },

  decide(command, state, { subject }): RunDecision {
    const runId = subject.slice(subject.indexOf('/') + 1);
    if (command.type === 'CreateRun') {
      if (state) return reject('MR_TRACKING_RUN_EXISTS', `Run with id=${runId} already exists`, { runId });
      const { type: _, tags, ...created } = command;
      return accept('RunCreated', { ...created, tags: { ...recordOf(tags), [RUN_NAME_TAG]: command.name } });
    }
    if (command.type === 'PurgeRun' && state?.purged) return unchanged;
    if (!state || state.purged) return reject('MR_TRACKING_RUN_NOT_FOUND', `Run with id=${runId} not found`, { runId });
    switch (command.type) {
      case 'DeleteRun':
        return state.deleted ? unchanged : accept('RunDeleted', followed(command));
      case 'RestoreRun':
        return state.deleted ? accept('RunRestored', followed(command)) : unchanged;
      case 'PurgeRun':
        if (state.deleted || command.withExperiment) return accept('RunPurged', {});
        return reject('MR_TRACKING_RUN_NOT_DELETED', `Run ${runId} is not in the 'deleted' state; delete it first.`, { runId });
      default:
        return state.deleted ? notActive(runId) : decideActive(command, state);
    }
  },
};

/** The refusal to write to a run that is deleted, itself or with its experiment. */
export function notActive(runId: string): { kind: 'reject'; rejection: Rejection<'MR_TRACKING_RUN_NOT_ACTIVE'> } {
  return reject('MR_TRACKING_RUN_NOT_ACTIVE', `The run ${runId} must be in the 'active' state. Current state is deleted.`, { runId });
}

function evolveRun(state: Run, event: Exclude<RunEvent, { type: 'RunCreated' }>, _context: EventContext): Run {
  switch (event.type) {
    case 'RunUpdated':
    case 'RunFinished':
      state.status = event.data.status ?? state.status;
      state.endTime = event.data.endTime ?? state.endTime;
      if (event.data.name !== null) rename(state, event.data.name);
      return state;
    case 'RunDeleted':
      state.deleted = true;
      return state;
    case 'RunRestored':
      state.deleted = false;
      return state;
    case 'RunPurged':
      state.deleted = true;
      state.purged = true;
      state.params.clear();
      state.tags.clear();
      state.datasets.length = 0;
      delete state.models;
      delete state.changedHere;
      return state;
    case 'RunAnnotated': {
      for (const [key, value] of Object.entries(event.data.params)) state.params.set(key, value);
      for (const [key, value] of Object.entries(event.data.tags)) state.tags.set(key, value);
      const name = event.data.tags[RUN_NAME_TAG];
      if (name !== undefined) state.name = name;
      return state;
    }
    case 'RunUntagged':
      state.tags.delete(event.data.key);
      return state;
    case 'DatasetsLogged':
      state.datasets.push(...event.data.inputs);
      return state;
    case 'ModelsLinked':
      state.models ??= { inputs: [], outputs: [] };
      state.models.inputs.push(...event.data.inputs);
      state.models.outputs.push(...event.data.outputs);
      return state;
  }
}

function decideActive(
  command: Exclude<RunCommand, { type: 'CreateRun' | 'DeleteRun' | 'RestoreRun' | 'PurgeRun' }>,
  state: Run,
): RunDecision {
  switch (command.type) {
    case 'UpdateRun': {
      const { status, endTime } = command;
      const name = command.name === null || command.name === '' ? null : command.name;
      const same = (status ?? state.status) === state.status && (endTime ?? state.endTime) === state.endTime;
      if (same && (name ?? state.name) === state.name) return unchanged;
      if (isFinal(status)) return accept('RunFinished', { status, endTime, name, ...followed(command) });
      return accept('RunUpdated', { status, endTime, name, ...followed(command) });
    }
    case 'AnnotateRun':
      return annotate(command, state);
    case 'UntagRun':
      if (!state.tags.has(command.key)) {
        const message = `No tag with name: ${command.key} in run with id ${state.runId}`;
        return reject('MR_TRACKING_RUN_TAG_NOT_FOUND', message, { runId: state.runId, key: command.key });
      }
      return accept('RunUntagged', { key: command.key });
    case 'LogDatasets': {
      const known = new Set(state.datasets.map(datasetKey));
      const inputs = command.inputs.filter((input) => !known.has(datasetKey(input)) && known.add(datasetKey(input)));
      return inputs.length === 0 ? unchanged : accept('DatasetsLogged', { inputs });
    }
    case 'LinkModels': {
      const inputs = [...new Set(command.inputs)].filter((modelId) => !state.models?.inputs.includes(modelId));
      const known = new Set(state.models?.outputs.map(outputKey));
      const outputs = command.outputs.filter((output) => !known.has(outputKey(output)) && known.add(outputKey(output)));
      return inputs.length + outputs.length === 0 ? unchanged : accept('ModelsLinked', { inputs, outputs });
    }
    case 'RecordModel': {
      const history = [...modelHistory(state), command.model];
      return accept('RunAnnotated', { params: {}, tags: { [MODEL_HISTORY_TAG]: JSON.stringify(history) } });
    }
  }
}

function annotate(command: Extract<RunCommand, { type: 'AnnotateRun' }>, state: Run): RunDecision {
  const { params, tags } = command;
  const runId = state.runId;
  const keys = params.map(({ key }) => key);
  const repeated = keys.filter((key, index) => keys.indexOf(key) !== index);
  if (repeated.length > 0) {
    const message = `Duplicate parameter keys have been submitted: ['${repeated.join("', '")}']. Please ensure the request contains only one param value per param key.`;
    return reject('MR_TRACKING_PARAM_REPEATED', message, { runId, keys: repeated });
  }
  for (const { key, value } of params) {
    const logged = state.params.get(key);
    if (logged !== undefined && logged !== value) {
      const message = `Changing param values is not allowed. Param with key='${key}' was already logged with value='${logged}' for run ID='${runId}'. Attempted logging new value '${value}'.`;
      return reject('MR_TRACKING_PARAM_CHANGED', message, { runId, key });
    }
  }
  const newParams = params.filter(({ key }) => !state.params.has(key));
  const newTags = Object.entries(recordOf(tags)).filter(([key, value]) => state.tags.get(key) !== value);
  if (newParams.length === 0 && newTags.length === 0) return unchanged;
  return accept('RunAnnotated', { params: recordOf(newParams), tags: Object.fromEntries(newTags), ...followed(command) });
}

/** A later import leaves alone what people have changed here. */
function noteChangeHere(state: Run, event: Exclude<RunEvent, { type: 'RunCreated' }>): void {
  if (!state.tags.has(IMPORTED_FROM_TAG) || ('importedFrom' in event.data && event.data.importedFrom !== undefined)) return;
  for (const change of changesOf(event)) (state.changedHere ??= new Set()).add(change);
}

/** `status`, `run_name`, `lifecycle_stage` or `tag:<key>`: what of a run an event changes. Params and datasets are only ever added. */
function changesOf(event: Exclude<RunEvent, { type: 'RunCreated' }>): string[] {
  switch (event.type) {
    case 'RunUpdated':
    case 'RunFinished': {
      const { status, endTime, name } = event.data;
      return [...(status === null && endTime === null ? [] : ['status']), ...(name === null ? [] : ['run_name'])];
    }
    case 'RunDeleted':
    case 'RunRestored':
      return ['lifecycle_stage'];
    case 'RunAnnotated':
      return Object.keys(event.data.tags).map((key) => (key === RUN_NAME_TAG ? 'run_name' : `tag:${key}`));
    case 'RunUntagged':
      return [`tag:${event.data.key}`];
    default:
      return [];
  }
}

function rename(state: Run, name: string): void {
  state.name = name;
  state.tags.set(RUN_NAME_TAG, name);
}

function isFinal(status: RunStatus | null): status is FinalStatus {
  return FINAL_STATUSES.some((final) => final === status);
}

function datasetKey(input: DatasetInput): string {
  return JSON.stringify([input.name, input.digest]);
}

function outputKey({ modelId, step }: ModelOutput): string {
  return `${modelId} ${step}`;
}

/** What the tag lists so far; a value that is no list (a client may set any tag) starts a new one. */
function modelHistory(state: Run): unknown[] {
  try {
    const history: unknown = JSON.parse(state.tags.get(MODEL_HISTORY_TAG) ?? '[]');
    return Array.isArray(history) ? (history as unknown[]) : [];
  } catch {
    return [];
  }
}

/** The last value of a key wins. `__proto__` is a key like any other. */
function recordOf(pairs: readonly KeyValue[]): Record<string, string> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
}
