import type { MillraceClient } from '../client.js';

/** A run as MLflow's API tells it, in the form reproducing needs. */
export interface LoggedRun {
  readonly runId: string;
  readonly name: string;
  readonly experimentId: string;
  readonly status: string;
  readonly params: ReadonlyMap<string, string>;
  /** Last values. */
  readonly metrics: ReadonlyMap<string, number>;
  readonly tags: ReadonlyMap<string, string>;
  readonly datasets: readonly LoggedDataset[];
  /** Logged models that it made. */
  readonly modelIds: readonly string[];
}

export interface LoggedDataset {
  readonly name: string;
  readonly digest: string;
  readonly sourceType: string;
  readonly source: string;
  readonly context: string | null;
}

interface RunJson {
  readonly info: { readonly run_id: string; readonly run_name?: string; readonly experiment_id: string; readonly status: string };
  readonly data?: {
    readonly params?: readonly Pair[];
    readonly tags?: readonly Pair[];
    readonly metrics?: readonly { readonly key: string; readonly value: number | string }[];
  };
  readonly inputs?: {
    readonly dataset_inputs?: readonly {
      readonly tags?: readonly Pair[];
      readonly dataset: { readonly name: string; readonly digest: string; readonly source_type?: string; readonly source?: string };
    }[];
  };
  readonly outputs?: { readonly model_outputs?: readonly { readonly model_id: string }[] };
}

interface Pair {
  readonly key: string;
  readonly value: string;
}

const API = '/api/2.0/mlflow';
const JSON_BODY = { 'content-type': 'application/json' };
/** A run with more files is no run of code one wants to look through for an environment. */
const MOST_FILES = 5000;

export async function loggedRun(client: MillraceClient, runId: string): Promise<LoggedRun> {
  const { run } = await client.json<{ run: RunJson }>('GET', `${API}/runs/get?run_id=${encodeURIComponent(runId)}`);
  const { params = [], tags = [], metrics = [] } = run.data ?? {};
  return {
    runId: run.info.run_id,
    name: run.info.run_name ?? '',
    experimentId: run.info.experiment_id,
    status: run.info.status,
    params: mapOf(params),
    tags: mapOf(tags),
    metrics: new Map(metrics.map(({ key, value }) => [key, Number(value)])),
    datasets: (run.inputs?.dataset_inputs ?? []).map(({ dataset, tags: about = [] }) => ({
      name: dataset.name,
      digest: dataset.digest,
      sourceType: dataset.source_type ?? '',
      source: dataset.source ?? '',
      context: mapOf(about).get('mlflow.data.context') ?? null,
    })),
    modelIds: [...new Set((run.outputs?.model_outputs ?? []).map(({ model_id }) => model_id))],
  };
}

/** Paths of all files of a run. */
export async function filesOfRun(client: MillraceClient, runId: string): Promise<string[]> {
  const files: string[] = [];
  const open: (string | undefined)[] = [undefined];
  for (let at = 0; at < open.length && files.length < MOST_FILES; at++) {
    const path = open[at];
    const query = `run_id=${encodeURIComponent(runId)}${path === undefined ? '' : `&path=${encodeURIComponent(path)}`}`;
    const { files: children = [] } = await client.json<{ files?: readonly { path: string; is_dir: boolean }[] }>(
      'GET',
      `${API}/artifacts/list?${query}`,
    );
    for (const child of children) (child.is_dir ? open : files).push(child.path);
  }
  return files.sort();
}

export async function fileOfRun(client: MillraceClient, runId: string, path: string): Promise<Buffer> {
  const response = await client.call('GET', `/get-artifact?run_id=${encodeURIComponent(runId)}&path=${encodeURIComponent(path)}`);
  return Buffer.from(await response.arrayBuffer());
}

/** Creates the run that the command is to log into. */
export async function createRun(
  client: MillraceClient,
  original: LoggedRun,
  tags: Readonly<Record<string, string>>,
  startTime: number,
): Promise<string> {
  const body = JSON.stringify({
    experiment_id: original.experimentId,
    run_name: `reproduces ${original.name || original.runId}`.slice(0, 250),
    start_time: startTime,
    tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
  });
  const { run } = await client.json<{ run: RunJson }>('POST', `${API}/runs/create`, { body, headers: JSON_BODY });
  return run.info.run_id;
}

export async function endRun(
  client: MillraceClient,
  runId: string,
  status: 'FINISHED' | 'FAILED' | 'KILLED',
  endTime: number,
): Promise<void> {
  await client.call('POST', `${API}/runs/update`, {
    body: JSON.stringify({ run_id: runId, status, end_time: endTime }),
    headers: JSON_BODY,
  });
}

function mapOf(pairs: readonly Pair[]): Map<string, string> {
  return new Map(pairs.map(({ key, value }) => [key, value]));
}
