import { PROMPT_TAG } from '../models/prompt-tag.js';

/** What a webhook can be told: MLflow's own events first, then those that are only here. */
export const MLFLOW_NOTIFICATIONS = [
  'registered_model.created',
  'model_version.created',
  'model_version_tag.set',
  'model_version_tag.deleted',
  'model_version_alias.created',
  'model_version_alias.deleted',
  'prompt.created',
  'prompt_version.created',
  'prompt_tag.set',
  'prompt_tag.deleted',
  'prompt_version_tag.set',
  'prompt_version_tag.deleted',
  'prompt_alias.created',
  'prompt_alias.deleted',
] as const;

export const OWN_NOTIFICATIONS = [
  'registered_model.deleted',
  'model_version.deleted',
  'model_version_stage.updated',
  'run.created',
  'run.finished',
  'run.deleted',
] as const;

export type NotificationName = (typeof MLFLOW_NOTIFICATIONS)[number] | (typeof OWN_NOTIFICATIONS)[number];

export const NOTIFICATIONS: readonly string[] = [...MLFLOW_NOTIFICATIONS, ...OWN_NOTIFICATIONS];

export interface Notification {
  readonly name: NotificationName;
  /** In MLflow's field names; JSON. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** A registered model as a notification names it: prompts are kept among the models. */
export interface NotifiedModel {
  readonly name: string;
  readonly isPrompt: boolean;
}

interface Decision {
  readonly type: string;
  readonly subject: string;
  readonly data: unknown;
}

type Data = Readonly<Record<string, unknown>>;
type Tags = Readonly<Record<string, string>>;

/** Tags that carry what a prompt is; a notification has their content in its own fields or not at all. */
const TEMPLATE_TAG = 'mlflow.prompt.text';
const INNER_TAGS = [PROMPT_TAG, TEMPLATE_TAG, '_mlflow_prompt_type'];

/** What a decision of the registry or about a run is to people outside; `undefined`: nothing they can ask for. */
export function notificationOf(decision: Decision, modelOf: (modelId: string) => NotifiedModel | undefined): Notification | undefined {
  const { type, subject } = decision;
  const data = decision.data as Data;
  if (subject.startsWith('run/')) return runNotification(type, subject.slice('run/'.length), data);
  if (subject === 'models/catalog') return catalogNotification(type, data, modelOf);
  if (subject.startsWith('model/')) {
    const model = type === 'VersionRegistered' ? registeredAs(data) : modelOf(subject.slice('model/'.length));
    return model && versionNotification(type, data, model);
  }
  return undefined;
}

function runNotification(type: string, runId: string, data: Data): Notification | undefined {
  switch (type) {
    case 'RunCreated':
      return {
        name: 'run.created',
        data: { run_id: runId, experiment_id: data['experimentId'], run_name: data['name'], tags: data['tags'] },
      };
    case 'RunFinished':
      return { name: 'run.finished', data: { run_id: runId, status: data['status'], end_time: data['endTime'] } };
    case 'RunDeleted':
      return { name: 'run.deleted', data: { run_id: runId } };
    default:
      return undefined;
  }
}

function catalogNotification(type: string, data: Data, modelOf: (modelId: string) => NotifiedModel | undefined): Notification | undefined {
  const { name, description = null } = data;
  switch (type) {
    case 'ModelRegistered': {
      const tags = data['tags'] as Tags;
      const isPrompt = tags[PROMPT_TAG] === 'true';
      return { name: isPrompt ? 'prompt.created' : 'registered_model.created', data: { name, tags: outer(tags), description } };
    }
    case 'ModelDeleted':
      return { name: 'registered_model.deleted', data: { name } };
    case 'ModelTagged':
    case 'ModelUntagged': {
      const model = modelOf(data['modelId'] as string);
      if (!model?.isPrompt || INNER_TAGS.includes(data['key'] as string)) return undefined;
      const about = { name: model.name, key: data['key'] };
      if (type === 'ModelUntagged') return { name: 'prompt_tag.deleted', data: about };
      return { name: 'prompt_tag.set', data: { ...about, value: data['value'] } };
    }
    default:
      return undefined;
  }
}

function versionNotification(type: string, data: Data, { name, isPrompt }: NotifiedModel): Notification | undefined {
  const about = { name, version: String(data['version']) };
  switch (type) {
    case 'VersionRegistered': {
      const tags = data['tags'] as Tags;
      const more = { tags: outer(tags), description: data['description'] };
      if (isPrompt) return { name: 'prompt_version.created', data: { ...about, template: tags[TEMPLATE_TAG] ?? '', ...more } };
      return { name: 'model_version.created', data: { ...about, source: data['source'], run_id: data['runId'], ...more } };
    }
    case 'VersionTagged': {
      const tag = { ...about, key: data['key'], value: data['value'] };
      return { name: isPrompt ? 'prompt_version_tag.set' : 'model_version_tag.set', data: tag };
    }
    case 'VersionUntagged':
      return { name: isPrompt ? 'prompt_version_tag.deleted' : 'model_version_tag.deleted', data: { ...about, key: data['key'] } };
    case 'AliasAssigned':
      return { name: isPrompt ? 'prompt_alias.created' : 'model_version_alias.created', data: { ...about, alias: data['alias'] } };
    case 'AliasRemoved':
      return { name: isPrompt ? 'prompt_alias.deleted' : 'model_version_alias.deleted', data: { name, alias: data['alias'] } };
    case 'VersionMoved':
      return {
        name: 'model_version_stage.updated',
        data: { ...about, from_stage: data['from'], to_stage: data['to'], archived_versions: (data['archived'] as number[]).map(String) },
      };
    case 'VersionDeleted':
      return { name: 'model_version.deleted', data: about };
    default:
      return undefined;
  }
}

function registeredAs(data: Data): NotifiedModel {
  return { name: data['name'] as string, isPrompt: (data['tags'] as Tags)[PROMPT_TAG] === 'true' };
}

function outer(tags: Tags): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !INNER_TAGS.includes(key)));
}
