import { attempt, compareField } from './import-compare.js';
import { bringFiles, proxiedPath } from './import-files.js';
import type { ImportContext } from './import-runs.js';
import type { Experiment, KeyValue, LoggedModel, ModelMetric } from './mlflow-types.js';

/** Millrace says from the registry which versions were made of a model. */
const VERSIONS_TAG = 'mlflow.modelVersions';
const IMPORTED_FROM_TAG = 'millrace.importedFrom';
const POINTS_A_REQUEST = 1000;

interface MadeModel {
  readonly created: boolean;
  readonly artifact_uri: string;
  readonly is_deleted: boolean;
  readonly changed_here: readonly string[];
}

/** Brings the logged models of an experiment, after its runs. */
export async function importLoggedModels(context: ImportContext, { experiment_id, name }: Experiment, experimentId: string): Promise<void> {
  const { from, to, origin, report, progress } = context;
  if (!(await from.hasLoggedModels())) return;
  const seen = new Set<string>();
  for await (const model of from.loggedModels(experiment_id)) {
    if (seen.has(model.info.model_id)) continue;
    seen.add(model.info.model_id);
    await attempt(report, `logged model ${model.info.model_id}`, () => importLoggedModel(context, model, experimentId));
    progress(`experiment ${name}: ${seen.size} logged models`);
  }
  for await (const { info } of to.loggedModels(experimentId)) {
    const isOurs = info.tags?.some(({ key, value }) => key === IMPORTED_FROM_TAG && value === origin) ?? false;
    if (isOurs && !seen.has(info.model_id)) {
      report.left(`logged model ${info.model_id}`, 'it was brought from there and is not there any more');
    }
  }
}

async function importLoggedModel(context: ImportContext, model: LoggedModel, experimentId: string): Promise<void> {
  const { from, to, origin, withArtifacts, report } = context;
  const { model_id, name, model_type, source_run_id, status, creation_timestamp_ms, last_updated_timestamp_ms } = model.info;
  const where = `logged model ${model_id}`;
  const tags = tagsOf(model);
  const params = model.data?.params ?? [];
  const made = await attempt(report, where, () =>
    to.post<MadeModel>('logged-models/import', {
      ...{ model_id, experiment_id: experimentId, name, model_type, source_run_id, status, origin, params, tags },
      ...{ creation_timestamp_ms, last_updated_timestamp_ms },
    }),
  );
  report.count('loggedModels', 1, made?.created ? 1 : 0);
  if (!made) return;
  if (made.is_deleted) return report.left(where, 'it is deleted here');
  await attempt(report, where, () => importMeasured(context, model));
  const folder = proxiedPath(made.artifact_uri);
  if (withArtifacts && folder !== undefined) {
    const read = (path: string) => from.readModelFile(model_id, path);
    await attempt(report, where, () => bringFiles({ to, report, where, files: from.modelFiles(model_id), read, folder }));
  }
  await attempt(report, where, () => compareLoggedModel(context, model, made));
}

/** Sends what was measured of a model: the other side appends what it lacks, and is asked once more whether it lacks any. */
async function importMeasured({ to, report }: ImportContext, { info: { model_id }, data }: LoggedModel): Promise<void> {
  const points = [...new Map((data?.metrics ?? []).map((metric) => [textOf(metric), metric])).values()];
  let brought = 0;
  try {
    for (let at = 0; at < points.length; at += POINTS_A_REQUEST) {
      const metrics = points.slice(at, at + POINTS_A_REQUEST).map((metric) => ({
        ...{ key: metric.key, value: metric.value, timestamp: Number(metric.timestamp), step: Number(metric.step ?? 0) },
        ...{ run_id: metric.run_id, dataset_name: metric.dataset_name, dataset_digest: metric.dataset_digest },
      }));
      const send = (check_only: boolean) => to.post<{ missing: number }>('logged-models/import-points', { model_id, metrics, check_only });
      const { missing } = await send(false);
      brought += missing;
      const left = missing === 0 ? 0 : (await send(true)).missing;
      if (left > 0) report.problem(`logged model ${model_id}`, `${left} of ${metrics.length} points of its metrics are not here`);
    }
  } finally {
    report.count('points', points.length, brought);
  }
}

/** Reads the model back and holds it to the one there. */
async function compareLoggedModel({ to, report }: ImportContext, there: LoggedModel, { created, changed_here }: MadeModel): Promise<void> {
  const where = `logged model ${there.info.model_id}`;
  const { model: here } = await to.get<{ model: LoggedModel }>(`logged-models/${there.info.model_id}`);
  for (const field of ['name', 'model_type', 'source_run_id', 'creation_timestamp_ms'] as const) {
    compareField(report, where, field, [there.info[field], here.info[field]], false);
  }
  const hasEnded = there.info.status === 'LOGGED_MODEL_READY' || there.info.status === 'LOGGED_MODEL_UPLOAD_FAILED';
  if (hasEnded) compareField(report, where, 'status', [there.info.status, here.info.status], changed_here.includes('status'));
  // What is followed later is changed here at that time.
  if (created) {
    const times = [there.info.last_updated_timestamp_ms, here.info.last_updated_timestamp_ms] as const;
    compareField(report, where, 'last_updated_timestamp_ms', times, false);
  }
  const params = there.data?.params ?? [];
  comparePairs('param', params, here.data?.params ?? []);
  comparePairs('tag', tagsOf(there), here.info.tags ?? []);
  const tagsThere = new Set(tagsOf(there).map(({ key }) => key));
  for (const { key } of tagsOf(here)) {
    if (tagsThere.has(key) || changed_here.includes(`tag:${key}`)) continue;
    report.left(where, `tag ${key} is not there any more`);
  }

  function comparePairs(kind: 'param' | 'tag', wanted: readonly KeyValue[], found: readonly KeyValue[]): void {
    const values = new Map(found.map(({ key, value = '' }) => [key, value]));
    for (const { key, value = '' } of wanted) {
      if (values.get(key) === value) continue;
      const difference = `${kind} ${key} ${values.has(key) ? 'differs' : 'is not here'}`;
      if (changed_here.includes(`${kind}:${key}`)) report.left(where, difference);
      else report.problem(where, difference);
    }
    report.count(`${kind}s`, wanted.length, created ? wanted.length : 0);
  }
}

function tagsOf({ info }: LoggedModel): readonly KeyValue[] {
  return (info.tags ?? []).filter(({ key }) => key !== VERSIONS_TAG && key !== IMPORTED_FROM_TAG);
}

function textOf({ key, value, timestamp, step = 0, run_id, dataset_name, dataset_digest }: ModelMetric): string {
  return JSON.stringify([key, String(value), String(timestamp), String(step), run_id, dataset_name ?? '', dataset_digest ?? '']);
}
