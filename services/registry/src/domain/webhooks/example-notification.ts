import type { NotificationName } from './notification.js';

const TAG = { key: 'example_key', value: 'example_value' };
const TAGS = { example_key: 'example_value' };
const MODEL = { name: 'example_model' };
const PROMPT = { name: 'example_prompt' };
const [MODEL_VERSION, PROMPT_VERSION] = [
  { ...MODEL, version: '1' },
  { ...PROMPT, version: '1' },
];
const RUN = { run_id: 'abcd1234abcd5678' };

/** What a test of a webhook sends: the values are those of MLflow's tests, so that a receiver reads what it will be sent. */
const EXAMPLES: Readonly<Record<NotificationName, Readonly<Record<string, unknown>>>> = {
  'registered_model.created': { ...MODEL, tags: TAGS, description: 'An example registered model' },
  'model_version.created': {
    ...MODEL_VERSION,
    source: 'models:/123',
    ...RUN,
    tags: TAGS,
    description: 'An example model version',
  },
  'model_version_tag.set': { ...MODEL_VERSION, ...TAG },
  'model_version_tag.deleted': { ...MODEL_VERSION, key: TAG.key },
  'model_version_alias.created': { ...MODEL_VERSION, alias: 'example_alias' },
  'model_version_alias.deleted': { ...MODEL, alias: 'example_alias' },
  'prompt.created': { ...PROMPT, tags: TAGS, description: 'An example prompt' },
  'prompt_version.created': { ...PROMPT_VERSION, template: 'Hello {{name}}!', tags: TAGS, description: 'An example prompt version' },
  'prompt_tag.set': { ...PROMPT, ...TAG },
  'prompt_tag.deleted': { ...PROMPT, key: TAG.key },
  'prompt_version_tag.set': { ...PROMPT_VERSION, ...TAG },
  'prompt_version_tag.deleted': { ...PROMPT_VERSION, key: TAG.key },
  'prompt_alias.created': { ...PROMPT_VERSION, alias: 'example_alias' },
  'prompt_alias.deleted': { ...PROMPT, alias: 'example_alias' },
  'registered_model.deleted': MODEL,
  'model_version.deleted': MODEL_VERSION,
  'model_version_stage.updated': { ...MODEL_VERSION, from_stage: 'Staging', to_stage: 'Production', archived_versions: ['0'] },
  'run.created': { ...RUN, experiment_id: '1', run_name: 'example_run', tags: TAGS },
  'run.finished': { ...RUN, status: 'FINISHED', end_time: 1_767_225_600_000 },
  'run.deleted': RUN,
};

/** The data of a notification that tells of nothing, in the shape of one that does. */
export function exampleOf(name: NotificationName): Readonly<Record<string, unknown>> {
  return EXAMPLES[name];
}
