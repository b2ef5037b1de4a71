import type { ImportReport } from './import-report.js';
import { bringFiles, proxiedPath } from './import-files.js';
import { isRefusal, type MlflowServer } from './mlflow-server.js';
import { importLoggedModels } from './import-logged-models.js';
import { attempt, compareField } from './import-compare.js';
import type { Experiment, KeyValue, Metric, Run } from './mlflow-types.js';

export interface ImportContext {
  readonly from: MlflowServer;
  readonly to: MlflowServer;
  /** Names the source; runs and versions brought before are known by it. */
  readonly origin: string;
  readonly withArtifacts: boolean;
  readonly report: ImportReport;
  readonly progress: (text: string) => void;
}

const RUN_NAME_TAG = 'mlflow.runName';
const IMPORTED_FROM_TAG = 'millrace.importedFrom';
const RUNS_AT_ONCE = 4;
const POINTS_A_REQUEST = 1000;

/** Brings one experiment with its runs. It is deleted last, if it is there, because nobody looks for runs in a deleted one. */
export async function importExperiment(context: ImportContext, experiment: Experiment): Promise<void> {
  const { from, to, origin, report, progress } = context;
  const { experiment_id, name, creation_time, last_update_time, lifecycle_stage, tags = [] } = experiment;
  const where = `experiment ${name}`;
  const asked = {
    experiment_id,
    name,
    creation_time,
    last_update_time,
    lifecycle_stage,
    origin,
    tags: [...tags, { key: IMPORTED_FROM_TAG, value: origin }],
  };
  const made = await to.post<{ experiment_id: string; created: boolean; changed_here: string[]; refused: string[] }>(
    'experiments/import',
    asked,
  );
  report.count('experiments', 1, made.created ? 1 : 0);
  if (made.experiment_id !== experiment_id) report.note(`${where} has id ${made.experiment_id} here; there it has ${experiment_id}`);
  const { experiment: here } = await to.get<{ experiment: Experiment }>('experiments/get', { experiment_id: made.experiment_id });
  const isOurs = here.tags?.some(({ key, value }) => key === IMPORTED_FROM_TAG && value === origin) ?? false;
  for (const message of made.refused) report.problem(where, message);
  const isLeft = (what: string): boolean => !isOurs || made.changed_here.includes(what);
  if (made.refused.length === 0) compareField(report, where, 'name', [name, here.name], isLeft('name'));
  await tagWhatIsMissing(context, here, tags, where);
  let runs = 0;
  await inParallel(from.runs(experiment_id), RUNS_AT_ONCE, async (run) => {
    await importRun(context, run, made.experiment_id);
    progress(`${where}: ${++runs} runs`);
  });
  await attempt(report, where, () => importLoggedModels(context, experiment, made.experiment_id));
  if (lifecycle_stage === 'deleted' && here.lifecycle_stage === 'active' && !isLeft('lifecycle_stage')) {
    await to.post('experiments/import-deletion', { experiment_id: made.experiment_id, origin });
  } else if (made.refused.length === 0) {
    compareField(report, where, 'lifecycle_stage', [lifecycle_stage, here.lifecycle_stage], isLeft('lifecycle_stage'));
  }
}

/** Tags that it lacks are added; one that has another value here is left. */
async function tagWhatIsMissing({ to, report }: ImportContext, here: Experiment, tags: readonly KeyValue[], where: string): Promise<void> {
  const present = new Map(here.tags?.map(({ key, value = '' }) => [key, value]));
  for (const { key, value = '' } of tags) {
    const valueHere = present.get(key);
    if (valueHere !== undefined) compareField(report, where, `tag ${key}`, [value, valueHere], true);
    else if (here.lifecycle_stage === 'active')
      await to.post('experiments/set-experiment-tag', { experiment_id: here.experiment_id, key, value });
    else report.left(where, `tag ${key} is not set here`);
  }
}

interface MadeRun {
  readonly created: boolean;
  readonly artifact_uri: string;
  readonly is_deleted: boolean;
  readonly changed_here: readonly string[];
}

/** What is refused of a run is a problem, and the rest of it is brought all the same. */
async function importRun(context: ImportContext, found: Run, experimentId: string): Promise<void> {
  const { from, to, origin, withArtifacts, report } = context;
  const run = await withModelInputs(context, found);
  const { run_id, run_name, user_id, status, start_time, end_time, lifecycle_stage } = run.info;
  const { params = [], tags = [], metrics = [] } = run.data;
  const where = `run ${run_id}`;
  const datasets = run.inputs?.dataset_inputs ?? [];
  const made = await attempt(report, where, () =>
    to.post<MadeRun>('runs/import', {
      ...{ run_id, run_name, user_id, status, start_time, end_time, lifecycle_stage, origin },
      ...{ experiment_id: experimentId, params, tags, datasets },
      ...{ model_inputs: run.inputs?.model_inputs ?? [], model_outputs: run.outputs?.model_outputs ?? [] },
    }),
  );
  report.count('runs', 1, made?.created ? 1 : 0);
  if (!made) return;
  for (const { key } of metrics) await attempt(report, `${where} metric ${key}`, () => importHistory(context, run_id, key, made.created));
  const folder = proxiedPath(made.artifact_uri);
  if (withArtifacts && folder !== undefined) {
    const read = (path: string) => from.readRunFile(run_id, path);
    await attempt(report, where, () => bringFiles({ to, report, where, files: from.runFiles(run_id), read, folder }));
  }
  if (lifecycle_stage === 'deleted' && !made.is_deleted && !made.changed_here.includes('lifecycle_stage')) {
    await attempt(report, where, () => to.post('runs/import-deletion', { run_id, origin }));
  }
  await attempt(report, where, () => compareRun(context, run, made));
}

/** MLflow's search leaves out the logged models that a run used; the run itself names them. */
async function withModelInputs({ from, report }: ImportContext, run: Run): Promise<Run> {
  if (!(await from.hasLoggedModels())) return run;
  const whole = await attempt(report, `run ${run.info.run_id}`, () => from.run(run.info.run_id));
  const models = whole?.inputs?.model_inputs ?? [];
  return models.length === 0 ? run : { ...run, inputs: { ...run.inputs, model_inputs: models } };
}

/** Sends the points of a metric that are not here yet, then counts both sides. */
async function importHistory({ from, to, report }: ImportContext, runId: string, key: string, isNew: boolean): Promise<void> {
  const here = isNew ? new Set<string>() : await pointsOf(to, runId, key);
  const there = new Set<string>();
  const before = here.size;
  let batch: object[] = [];
  let refusal: Error | undefined;
  const send = async () => {
    try {
      if (batch.length > 0 && !refusal) await to.post('runs/import-points', { run_id: runId, metrics: batch });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusal = error;
    }
    batch = [];
  };
  for await (const point of from.history(runId, key)) {
    const text = textOf(point);
    if (there.has(text)) continue;
    there.add(text);
    if (here.has(text)) continue;
    batch.push({ key, value: point.value, timestamp: Number(point.timestamp), step: Number(point.step ?? 0) });
    if (batch.length === POINTS_A_REQUEST) await send();
  }
  await send();
  if (refusal) {
    report.count('points', there.size, 0);
    throw refusal;
  }
  const after = there.size === before && before > 0 ? here : await pointsOf(to, runId, key);
  const missing = [...there].filter((text) => !after.has(text)).length;
  if (missing > 0) report.problem(`run ${runId}`, `${missing} of ${there.size} points of metric ${key} are not here`);
  report.count('points', there.size, [...there].filter((text) => !here.has(text)).length);
}

async function pointsOf(server: MlflowServer, runId: string, key: string): Promise<Set<string>> {
  const points = new Set<string>();
  for await (const point of server.history(runId, key)) points.add(textOf(point));
  return points;
}

function textOf({ step = 0, timestamp, value }: Metric): string {
  return `${Number(step)} ${Number(timestamp)} ${Number(value)}`;
}

/** Reads the run back and holds it to the one there. What people have changed here since it was brought is told, and is no problem. */
async function compareRun({ to, report }: ImportContext, run: Run, { created, changed_here }: MadeRun): Promise<void> {
  const where = `run ${run.info.run_id}`;
  const here = await to.run(run.info.run_id);
  // Nothing can be changed any more in a run that people have deleted here.
  const isSetAside = changed_here.includes('lifecycle_stage') && here.info.lifecycle_stage === 'deleted';
  const isLeft = (what: string): boolean => isSetAside || changed_here.includes(what);
  for (const kind of ['params', 'tags'] as const) {
    const there = run.data[kind] ?? [];
    const values = new Map(here.data[kind]?.map(({ key, value = '' }) => [key, value]));
    for (const { key, value = '' } of there) {
      const what = `${kind.slice(0, -1)} ${key}`;
      const isOurs = !isLeft(kind === 'params' ? 'params' : key === RUN_NAME_TAG ? 'run_name' : `tag:${key}`);
      if (values.get(key) === value) continue;
      const difference = values.has(key) ? `${what} differs` : `${what} is not here`;
      if (isOurs) report.problem(where, difference);
      else report.left(where, difference);
    }
    report.count(kind, there.length, created ? there.length : 0);
  }
  const inputs = [run, here].map(({ inputs: one }) => one?.dataset_inputs?.length ?? 0) as [number, number];
  if (inputs[1] < inputs[0]) report.problem(where, `${inputs[0]} datasets there, ${inputs[1]} here`);
  const linked = [run, here].map((one) => new Set(linksOf(one))) as [Set<string>, Set<string>];
  for (const link of linked[0]) if (!linked[1].has(link)) report.problem(where, `${link} is not here`);
  const tagsThere = new Set([...(run.data.tags ?? []).map(({ key }) => key), IMPORTED_FROM_TAG, RUN_NAME_TAG]);
  for (const { key } of here.data.tags ?? []) {
    if (!tagsThere.has(key) && !changed_here.includes(`tag:${key}`)) report.left(where, `tag ${key} is not there any more`);
  }
  for (const field of ['status', 'start_time', 'end_time', 'lifecycle_stage', 'run_name', 'user_id'] as const) {
    compareField(report, where, field, [run.info[field], here.info[field]], isLeft(field === 'end_time' ? 'status' : field));
  }
}

function linksOf({ inputs, outputs }: Run): string[] {
  return [
    ...(inputs?.model_inputs ?? []).map(({ model_id }) => `input ${model_id}`),
    ...(outputs?.model_outputs ?? []).map(({ model_id, step = 0 }) => `output ${model_id} of step ${step}`),
  ];
}

async function inParallel<T>(items: AsyncIterable<T>, limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const running = new Set<Promise<void>>();
  for await (const item of items) {
    const one: Promise<void> = work(item).finally(() => running.delete(one));
    running.add(one);
    // Whoever fails ends the import; those that run beside it are not left unheard.
    one.catch(() => undefined);
    if (running.size >= limit) await Promise.race(running);
  }
  await Promise.all(running);
}
