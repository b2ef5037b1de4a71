import type { OfflineStore } from '@millrace/offline-store';
import type { ModelPoint } from '../domain/logged-model/model-metrics.js';

/** One value of a metric of a logged model; the dataset's fields are empty where none was told. */
export interface ModelMetric {
  readonly modelId: string;
  readonly runId: string;
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
  readonly datasetName: string;
  readonly datasetDigest: string;
}

/** An empty name or digest stands for any. */
export interface DatasetFilter {
  readonly name: string;
  readonly digest: string;
}

export type NumericOperator = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** What is shown of one model at most; the newest steps come first. */
const MOST_POINTS_PER_MODEL = 1000;

/** Every point measured of the models, each once, however often a client sent it. */
export async function modelMetrics(
  store: OfflineStore,
  experimentIds: readonly string[],
  modelIds: readonly string[],
): Promise<Map<string, ModelMetric[]>> {
  const found = new Map<string, ModelMetric[]>();
  if (modelIds.length === 0) return found;
  // As text, so that NaN and the infinities survive JSON and every double comes back to the bit.
  const rows = await store.query<Row>(
    `SELECT DISTINCT model_id, run_id, key, dataset_name, dataset_digest, step, timestamp, toString(value) AS text
     FROM millrace.logged_model_metrics WHERE experiment_id IN {experimentIds:Array(String)} AND model_id IN {modelIds:Array(String)}
     ORDER BY model_id, step DESC, timestamp DESC, key, dataset_name, dataset_digest, run_id, text
     LIMIT ${MOST_POINTS_PER_MODEL} BY model_id`,
    { experimentIds, modelIds },
  );
  for (const row of rows) {
    const metric = {
      modelId: row.model_id,
      runId: row.run_id,
      key: row.key,
      value: doubleOf(row.text),
      timestamp: Number(row.timestamp),
      step: Number(row.step),
      datasetName: row.dataset_name,
      datasetDigest: row.dataset_digest,
    };
    const of = found.get(metric.modelId);
    if (of) of.push(metric);
    else found.set(metric.modelId, [metric]);
  }
  return found;
}

/** Those of some points of a model, by run, that are not here, each once. Unlike what is shown of a model, it knows no bound. */
export async function pointsNotMeasured(
  store: OfflineStore,
  experimentId: string,
  modelId: string,
  byRun: ReadonlyMap<string, readonly ModelPoint[]>,
): Promise<Map<string, ModelPoint[]>> {
  const missing = new Map<string, ModelPoint[]>();
  const all = [...byRun.values()].flat();
  if (all.length === 0) return missing;
  const rows = await store.query<Row>(
    `SELECT DISTINCT run_id, key, dataset_name, dataset_digest, step, timestamp, toString(value) AS text FROM millrace.logged_model_metrics
     WHERE experiment_id = {experimentId:String} AND model_id = {modelId:String} AND key IN {keys:Array(String)}
       AND timestamp IN {timestamps:Array(Int64)}`,
    {
      ...{ experimentId, modelId, keys: [...new Set(all.map(({ key }) => key))] },
      timestamps: [...new Set(all.map(({ timestamp }) => timestamp))],
    },
  );
  const here = new Set(
    rows.map(({ run_id, key, dataset_name, dataset_digest, step, timestamp, text }) =>
      JSON.stringify([run_id, key, Number(timestamp), Number(step), String(doubleOf(text)), dataset_name, dataset_digest]),
    ),
  );
  for (const [runId, points] of byRun) {
    for (const point of points) {
      const { key, timestamp, step, value, datasetName, datasetDigest } = point;
      const text = JSON.stringify([runId, key, timestamp, step, String(Number(value)), datasetName ?? '', datasetDigest ?? '']);
      if (here.has(text)) continue;
      here.add(text);
      const ofRun = missing.get(runId);
      if (ofRun) ofRun.push(point);
      else missing.set(runId, [point]);
    }
  }
  return missing;
}

/** Ids of the models of which a run has measured any value that holds; `test` `null`: any value at all. */
export async function modelsMeasured(
  store: OfflineStore,
  experimentIds: readonly string[],
  test: { readonly key: string; readonly operator: NumericOperator; readonly value: number } | null,
  datasets: readonly DatasetFilter[],
): Promise<Set<string>> {
  const where = ['experiment_id IN {experimentIds:Array(String)}'];
  if (test) where.push(`key = {key:String} AND value ${test.operator} {value:Float64}`);
  const { sql, parameters } = onAnyOf(datasets);
  const rows = await store.query<{ model_id: string }>(
    `SELECT DISTINCT model_id FROM millrace.logged_model_metrics WHERE ${where.join(' AND ')}${sql}`,
    { experimentIds, ...(test ? { key: test.key, value: test.value } : {}), ...parameters },
  );
  return new Set(rows.map((row) => row.model_id));
}

/** Each model's latest value of a metric, by timestamp, then step. */
export async function latestOfMetric(
  store: OfflineStore,
  experimentIds: readonly string[],
  key: string,
  datasets: readonly DatasetFilter[],
): Promise<Map<string, number>> {
  const { sql, parameters } = onAnyOf(datasets);
  const rows = await store.query<{ model_id: string; text: string }>(
    `SELECT model_id, argMax(toString(value), (timestamp, step, run_id)) AS text FROM millrace.logged_model_metrics
     WHERE experiment_id IN {experimentIds:Array(String)} AND key = {key:String}${sql} GROUP BY model_id`,
    { experimentIds, key, ...parameters },
  );
  return new Map(rows.map((row) => [row.model_id, doubleOf(row.text)]));
}

function onAnyOf(datasets: readonly DatasetFilter[]): { sql: string; parameters: Record<string, string> } {
  const parameters: Record<string, string> = {};
  const tests = datasets.map(({ name, digest }, index) => {
    const wanted = { name, digest };
    const told = (['name', 'digest'] as const).filter((field) => wanted[field] !== '');
    for (const field of told) parameters[`${field}${index}`] = wanted[field];
    return `(${told.map((field) => `dataset_${field} = {${field}${index}:String}`).join(' AND ')})`;
  });
  return { sql: tests.length === 0 ? '' : ` AND (${tests.join(' OR ')})`, parameters };
}

interface Row {
  readonly model_id: string;
  readonly run_id: string;
  readonly key: string;
  readonly dataset_name: string;
  readonly dataset_digest: string;
  readonly step: string;
  readonly timestamp: string;
  readonly text: string;
}

const NAMED: Readonly<Record<string, number>> = { nan: NaN, '-nan': NaN, inf: Infinity, '+inf': Infinity, '-inf': -Infinity };

function doubleOf(text: string): number {
  return NAMED[text] ?? Number(text);
}
