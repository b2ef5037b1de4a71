import type { ImportReport } from './import-report.js';
import { bringFiles, proxiedPath } from './import-files.js';
import { isRefusal, type MlflowServer } from './mlflow-server.js';
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

const IMPORTED_FROM_TAG = 'millrace.importedFrom';
const RUNS_AT_ONCE = 4;
const POINTS_A_REQUEST = 1000;

/** Brings one experiment with its runs. It is deleted last, if it is there, because nobody looks for runs in a deleted one. */
export async function importExperiment(context: ImportContext, experiment: Experiment): Promise<void> {
  const { from, to, origin, report, progress } = context;
  const { experiment_id, name, creation_time, last_update_time, tags = [] } = experiment;
  const where = `experiment ${name}`;
  const asked = {
    experiment_id,
    name,
    creation_time,
    last_update_time,
    origin,
    tags: [...tags, { key: IMPORTED_FROM_TAG, value: origin }],
  };
  const made = await to.post<{ experiment_id: string; created: boolean }>('experiments/import', asked);
  report.count('experiments', 1, made.created ? 1 : 0);
  if (made.experiment_id !== experiment_id) report.note(`${where} has id ${made.experiment_id} here; there it has ${experiment_id}`);
  const { experiment: here } = await to.get<{ experiment: Experiment }>('experiments/get', { experiment_id: made.experiment_id });
  const isOurs = here.tags?.some(({ key, value }) => key === IMPORTED_FROM_TAG && value === origin) ?? false;
  if (here.lifecycle_stage === 'active') await tagWhatIsMissing(to, here, tags);
  let runs = 0;
  await inParallel(from.runs(experiment_id), RUNS_AT_ONCE, async (run) => {
    try {
      await importRun(context, run, made.experiment_id);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      report.count('runs', 1, 0);
      report.problem(`run ${run.info.run_id}`, error.message);
    }
    progress(`${where}: ${++runs} runs`);
  });
  if (experiment.lifecycle_stage === 'deleted' && here.lifecycle_stage === 'active') {
    if (isOurs) await to.post('experiments/delete', { experiment_id: made.experiment_id });
    else report.note(`${where} is deleted there; the one of that name here was not brought from there and is left active`);
  }
}

/** An experiment of that name may have been here (Default always is): tags it lacks are added. */
async function tagWhatIsMissing(to: MlflowServer, here: Experiment, tags: readonly KeyValue[]): Promise<void> {
  const present = new Set(here.tags?.map(({ key }) => key));
  for (const { key, value = '' } of tags) {
    if (!present.has(key)) await to.post('experiments/set-experiment-tag', { experiment_id: here.experiment_id, key, value });
  }
}

async function importRun(context: ImportContext, run: Run, experimentId: string): Promise<void> {
  const { from, to, origin, withArtifacts, report } = context;
  const { run_id, run_name, user_id, status, start_time, end_time, lifecycle_stage } = run.info;
  const { params = [], tags = [], metrics = [] } = run.data;
  const datasets = run.inputs?.dataset_inputs ?? [];
  const made = await to.post<{ created: boolean; artifact_uri: string; is_deleted: boolean }>('runs/import', {
    ...{ run_id, run_name, user_id, status, start_time, end_time, origin },
    ...{ experiment_id: experimentId, params, tags, datasets },
  });
  report.count('runs', 1, made.created ? 1 : 0);
  for (const { key } of metrics) await importHistory(context, run_id, key, made.created);
  const folder = proxiedPath(made.artifact_uri);
  if (withArtifacts && folder !== undefined) {
    const read = (path: string) => from.readRunFile(run_id, path);
    await bringFiles({ to, report, where: `run ${run_id}`, files: from.runFiles(run_id), read, folder });
  }
  if (lifecycle_stage === 'deleted' && !made.is_deleted) await to.post('runs/delete', { run_id });
  await compareRun(context, run, made.created);
}

/** Sends the points of a metric that are not here yet, then counts both sides. */
async function importHistory({ from, to, report }: ImportContext, runId: string, key: string, isNew: boolean): Promise<void> {
  const here = isNew ? new Set<string>() : await pointsOf(to, runId, key);
  const there = new Set<string>();
  const before = here.size;
  let batch: object[] = [];
  const send = async () => {
    if (batch.length > 0) await to.post('runs/import-points', { run_id: runId, metrics: batch });
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

/** Reads the run back and holds it to the one there. What people have changed here since it was brought is no difference. */
async function compareRun({ to, report }: ImportContext, run: Run, isNew: boolean): Promise<void> {
  const where = `run ${run.info.run_id}`;
  const { run: here } = await to.get<{ run: Run }>('runs/get', { run_id: run.info.run_id });
  for (const kind of ['params', 'tags'] as const) {
    const there = run.data[kind] ?? [];
    const values = new Map(here.data[kind]?.map(({ key, value = '' }) => [key, value]));
    for (const { key, value = '' } of there) {
      if (!values.has(key)) report.problem(where, `${kind.slice(0, -1)} ${key} is not here`);
      else if (isNew && values.get(key) !== value) report.problem(where, `${kind.slice(0, -1)} ${key} differs`);
    }
    report.count(kind, there.length, isNew ? there.length : 0);
  }
  const inputs = [run, here].map(({ inputs: one }) => one?.dataset_inputs?.length ?? 0) as [number, number];
  if (inputs[1] < inputs[0]) report.problem(where, `${inputs[0]} datasets there, ${inputs[1]} here`);
  if (!isNew) return;
  for (const field of ['status', 'start_time', 'end_time', 'lifecycle_stage', 'run_name', 'user_id'] as const) {
    const [a, b] = [run.info[field] ?? '', here.info[field] ?? ''].map(String);
    if (a !== b) report.problem(where, `${field} is ${a} there and ${b} here`);
  }
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
