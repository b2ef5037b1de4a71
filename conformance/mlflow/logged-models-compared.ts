/** What two servers have to agree on of their logged models, in one order. */
export async function comparableModels(ask: (path: string, body?: object) => Promise<unknown>): Promise<ComparableModel[]> {
  const { experiments } = (await ask('experiments/search', { view_type: 'ALL', max_results: 100 })) as {
    experiments: { experiment_id: string; name: string }[];
  };
  const names = new Map(experiments.map(({ experiment_id, name }) => [experiment_id, name]));
  const { models = [] } = (await ask('logged-models/search', { experiment_ids: [...names.keys()], max_results: 100 })) as {
    models?: LoggedModel[];
  };
  const pairs = (list: readonly { key: string; value?: string }[] = []) =>
    list
      .filter(({ key }) => key !== 'millrace.importedFrom')
      .map(({ key, value = '' }) => `${key}=${key === 'mlflow.modelVersions' ? versionsIn(value) : value}`)
      .sort();
  return models
    .map(({ info, data = {} }) => ({
      ...{ id: info.model_id, name: info.name, experiment: names.get(info.experiment_id) ?? '', status: info.status },
      ...{ type: info.model_type ?? '', run: info.source_run_id ?? '', created: Number(info.creation_timestamp_ms) },
      ...{ params: pairs(data.params), tags: pairs(info.tags) },
      metrics: (data.metrics ?? [])
        .map(({ key, value, timestamp, step = 0, run_id, dataset_name = '', dataset_digest = '' }) =>
          [key, String(value), timestamp, step, run_id, dataset_name, dataset_digest].join(' '),
        )
        .sort(),
    }))
    .sort((a, b) => a.id.localeCompare(b.id));
}

/** MLflow's client and its server may each note a version, once as a number and once as text. */
function versionsIn(json: string): string {
  const versions = JSON.parse(json) as { name: string; version: number | string }[];
  return [...new Set(versions.map(({ name, version }) => `${name} ${version}`))].sort().join(', ');
}

export interface ComparableModel {
  readonly id: string;
  readonly name: string;
  readonly experiment: string;
  readonly status: string;
  readonly type: string;
  readonly run: string;
  readonly created: number;
  readonly params: readonly string[];
  readonly tags: readonly string[];
  readonly metrics: readonly string[];
}

interface LoggedModel {
  readonly info: {
    readonly model_id: string;
    readonly name: string;
    readonly experiment_id: string;
    readonly status: string;
    readonly model_type?: string;
    readonly source_run_id?: string;
    readonly creation_timestamp_ms: number | string;
    readonly tags?: readonly { key: string; value?: string }[];
  };
  readonly data?: {
    readonly params?: readonly { key: string; value?: string }[];
    readonly metrics?: readonly {
      readonly key: string;
      readonly value: number | string;
      readonly timestamp: number | string;
      readonly step?: number | string;
      readonly run_id: string;
      readonly dataset_name?: string;
      readonly dataset_digest?: string;
    }[];
  };
}
