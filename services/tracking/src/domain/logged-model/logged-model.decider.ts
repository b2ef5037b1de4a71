import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import { followed, type Followed } from '../followed.js';
import type { KeyValue } from '../run/run.decider.js';
import type { LoggedModelCreated, LoggedModelEvent, LoggedModelOutcome, LoggedModelStatus } from './logged-model.events.js';

export const LOGGED_MODEL = 'logged-model';

export interface LoggedModel extends Omit<LoggedModelCreated, 'params' | 'tags'> {
  status: LoggedModelStatus;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  readonly creator: string;
  deleted: boolean;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
  /** Of one that was brought from another server: `status` and `tag:<key>` that were changed here since. Absent until something is. */
  changedHere?: Set<string>;
}

/** `null` until it is created. */
export type LoggedModelState = LoggedModel | null;

export type LoggedModelCommand =
  | (Command<'CreateLoggedModel'> &
      Omit<LoggedModelCreated, 'params' | 'tags'> & { readonly params: readonly KeyValue[]; readonly tags: readonly KeyValue[] })
  | (Command<'FinalizeLoggedModel'> & Followed & { readonly status: LoggedModelOutcome })
  | (Command<'TagLoggedModel'> & Followed & { readonly tags: readonly KeyValue[] })
  | (Command<'UntagLoggedModel'> & { readonly key: string })
  | (Command<'LogLoggedModelParams'> & { readonly params: readonly KeyValue[] })
  | Command<'DeleteLoggedModel'>;

export type LoggedModelRejection = Rejection<
  | 'MR_TRACKING_LOGGED_MODEL_NOT_FOUND'
  | 'MR_TRACKING_LOGGED_MODEL_EXISTS'
  | 'MR_TRACKING_LOGGED_MODEL_PARAM_CHANGED'
  | 'MR_TRACKING_LOGGED_MODEL_TAG_NOT_FOUND'
>;

type LoggedModelDecision = Decision<LoggedModelEvent, LoggedModelRejection>;

/** One logged model: created before its files are uploaded, finalized when they are, deleted for good. */
export const loggedModel: Decider<LoggedModelState, LoggedModelCommand, LoggedModelEvent, LoggedModelRejection> = {
  initial: () => null,

  evolve(state, event, { time, actor }) {
    if (event.type === 'LoggedModelCreated') {
      const { params, tags, ...created } = event.data;
      const { status = 'PENDING', createdAt = time, updatedAt = time } = created.imported ?? {};
      const begun = { ...created, status, createdAt, updatedAt, creator: actor, deleted: false };
      return { ...begun, params: new Map(Object.entries(params)), tags: new Map(Object.entries(tags)) };
    }
    // Cannot be: the decider gives an absent model no other event. It must not stop the fold.
    if (!state) return null;
    state.updatedAt = time;
    noteChangeHere(state, event);
    switch (event.type) {
      case 'LoggedModelFinalized':
        state.status = event.data.status;
        return state;
      case 'LoggedModelTagged':
        for (const [key, value] of Object.entries(event.data.tags)) state.tags.set(key, value);
        return state;
      case 'LoggedModelUntagged':
        state.tags.delete(event.data.key);
        return state;
      case 'LoggedModelParamsLogged':
        for (const [key, value] of Object.entries(event.data.params)) state.params.set(key, value);
        return state;
      case 'LoggedModelDeleted':
        state.deleted = true;
        return state;
    }
  },

  decide(command, state, { subject }): LoggedModelDecision {
    const modelId = subject.slice(subject.indexOf('/') + 1);
    if (command.type === 'CreateLoggedModel') {
      if (state) return reject('MR_TRACKING_LOGGED_MODEL_EXISTS', `Logged model with ID '${modelId}' already exists.`, { modelId });
      const { type: _, params, tags, ...created } = command;
      return accept('LoggedModelCreated', { ...created, params: recordOf(params), tags: recordOf(tags) });
    }
    if (!state || state.deleted) {
      return reject('MR_TRACKING_LOGGED_MODEL_NOT_FOUND', `Logged model with ID '${modelId}' not found.`, { modelId });
    }
    switch (command.type) {
      case 'FinalizeLoggedModel':
        return state.status === command.status
          ? unchanged
          : accept('LoggedModelFinalized', { status: command.status, ...followed(command) });
      case 'TagLoggedModel': {
        const changed = Object.entries(recordOf(command.tags)).filter(([key, value]) => state.tags.get(key) !== value);
        return changed.length === 0 ? unchanged : accept('LoggedModelTagged', { tags: Object.fromEntries(changed), ...followed(command) });
      }
      case 'UntagLoggedModel':
        if (!state.tags.has(command.key)) {
          const message = `No tag with key '${command.key}' found for model with ID '${modelId}'.`;
          return reject('MR_TRACKING_LOGGED_MODEL_TAG_NOT_FOUND', message, { modelId, key: command.key });
        }
        return accept('LoggedModelUntagged', { key: command.key });
      case 'LogLoggedModelParams':
        return logParams(command.params, state);
      case 'DeleteLoggedModel':
        return accept('LoggedModelDeleted', {});
    }
  },
};

/** A later import leaves alone what people have changed here. Params are only ever added. */
function noteChangeHere(state: LoggedModel, event: LoggedModelEvent): void {
  if (!state.imported || ('importedFrom' in event.data && event.data.importedFrom !== undefined)) return;
  for (const change of changesOf(event)) (state.changedHere ??= new Set()).add(change);
}

function changesOf(event: LoggedModelEvent): string[] {
  switch (event.type) {
    case 'LoggedModelFinalized':
      return ['status'];
    case 'LoggedModelTagged':
      return Object.keys(event.data.tags).map((key) => `tag:${key}`);
    case 'LoggedModelUntagged':
      return [`tag:${event.data.key}`];
    default:
      return [];
  }
}

function logParams(params: readonly KeyValue[], state: LoggedModel): LoggedModelDecision {
  const { modelId } = state;
  const changed = params.find(({ key, value }) => state.params.has(key) && state.params.get(key) !== value);
  if (changed) {
    const message =
      `Changing param values is not allowed. Param with key='${changed.key}' was already logged with ` +
      `value='${state.params.get(changed.key)}' for logged model '${modelId}'. Attempted logging new value '${changed.value}'.`;
    return reject('MR_TRACKING_LOGGED_MODEL_PARAM_CHANGED', message, { modelId, key: changed.key });
  }
  const added = params.filter(({ key }) => !state.params.has(key));
  return added.length === 0 ? unchanged : accept('LoggedModelParamsLogged', { params: recordOf(added) });
}

/** The last value of a key wins. `__proto__` is a key like any other. */
function recordOf(pairs: readonly KeyValue[]): Record<string, string> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
}
