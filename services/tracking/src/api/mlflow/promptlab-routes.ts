import { joinArtifactPath } from '@millrace/artifact-store';
import { invalid, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { KeyValue } from '../../domain/run/run.decider.js';
import { runArtifacts } from './artifact-routes.js';
import type { TrackingApi } from './context.js';
import { runNotFound, valueOf } from './errors.js';
import { paramOf, tagOf } from './fields.js';
import { runJson } from './wire.js';

const TABLE = 'eval_results_table.json';
const REQUIRED = ['experiment_id', 'prompt_template', 'prompt_parameters', 'model_route', 'model_input', 'mlflow_version'];

/**
 * The run that MLflow's prompt engineering page keeps of one try: its settings as params, its answer as a table. The model such a run holds with
 * MLflow, which would ask MLflow's own gateway, is not made: that gateway is not here.
 */
export function promptlabRoutes(api: TrackingApi): MlflowRoute[] {
  return [
    {
      method: 'POST',
      path: 'runs/create-promptlab-run',
      handle: async ({ fields, request, reply }) => {
        const missing = REQUIRED.find((name) => !fields.has(name) || fields.values[name] === '');
        if (missing) throw invalid(`CreatePromptlabRun request must specify ${missing}.`);
        const metadata = api.metadata(request);
        // One request, three decisions on one subject: each has an id of its own, derived, so that a repeated request repeats each.
        const step = (name: string) => ({ ...metadata, commandId: `${metadata.commandId}:${name}` });
        const tryOut = tryOf(fields);
        const startTime = fields.integer('start_time') ?? metadata.now;
        const tags = fields.messages('tags').map((tag) => tagOf(tag, 'cut'));
        const { experimentId, userId, name } = tryOut;
        const created = valueOf(await api.commands.createRun({ experimentId, name, userId, startTime, tags }, metadata));
        const { runId } = created.value;
        valueOf(await api.commands.run(runId, { type: 'AnnotateRun', params: tryOut.params, tags: TRY_TAGS }, step('settings')));
        const { root } = await runArtifacts(api, runId);
        await api.artifacts.put(joinArtifactPath(root, TABLE), Buffer.from(JSON.stringify(tryOut.table)));
        const end = { type: 'UpdateRun', status: 'FINISHED', endTime: metadata.now, name: null } as const;
        const { positions } = valueOf(await api.commands.run(runId, end, step('end')));
        api.sendPosition(reply, positions);
        const shown = api.view.show(runId);
        if (!shown) throw runNotFound(runId);
        return { run: runJson(shown) };
      },
    },
  ];
}

const TRY_TAGS: readonly KeyValue[] = [
  { key: 'mlflow.loggedArtifacts', value: `[{"path": "${TABLE}", "type": "table"}]` },
  { key: 'mlflow.runSourceType', value: 'PROMPT_ENGINEERING' },
];

function tryOf(fields: Fields) {
  const pairs = (name: string) => fields.messages(name).map((pair) => paramOf(pair, 'cut'));
  const prompt = pairs('prompt_parameters');
  const measured = pairs('model_output_parameters');
  const params = [
    ...pairs('model_parameters'),
    { key: 'model_route', value: fields.requiredString('model_route') },
    { key: 'prompt_template', value: fields.requiredString('prompt_template') },
  ];
  const row = [
    ...prompt,
    { key: 'prompt', value: fields.requiredString('model_input') },
    { key: 'output', value: fields.string('model_output') ?? '' },
    ...measured,
  ];
  return {
    experimentId: fields.requiredString('experiment_id'),
    name: fields.string('run_name'),
    userId: fields.string('user_id') ?? '',
    params,
    table: { columns: row.map(({ key }) => key), data: [row.map(({ value }) => value)] },
  };
}
