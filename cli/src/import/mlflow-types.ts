/** What MLflow's REST API says of things, as far as an import reads it. 64-bit integers may come as text. */
type Int = number | string;

export interface KeyValue {
  readonly key: string;
  readonly value?: string;
}

export interface Experiment {
  readonly experiment_id: string;
  readonly name: string;
  readonly lifecycle_stage: 'active' | 'deleted';
  readonly creation_time?: Int;
  readonly last_update_time?: Int;
  readonly tags?: readonly KeyValue[];
}

export interface Metric {
  readonly key: string;
  readonly value: number | string;
  readonly timestamp: Int;
  readonly step?: Int;
}

export interface Run {
  readonly info: {
    readonly run_id: string;
    readonly run_name?: string;
    readonly experiment_id: string;
    readonly user_id?: string;
    readonly status: string;
    readonly start_time?: Int;
    readonly end_time?: Int;
    readonly artifact_uri: string;
    readonly lifecycle_stage: 'active' | 'deleted';
  };
  readonly data: { readonly metrics?: readonly Metric[]; readonly params?: readonly KeyValue[]; readonly tags?: readonly KeyValue[] };
  readonly inputs?: { readonly dataset_inputs?: readonly object[]; readonly model_inputs?: readonly { readonly model_id: string }[] };
  readonly outputs?: { readonly model_outputs?: readonly { readonly model_id: string; readonly step?: Int }[] };
}

/** A model of the 3.x line, which is a thing of its own beside the run that logged it. */
export interface LoggedModel {
  readonly info: {
    readonly model_id: string;
    readonly experiment_id: string;
    readonly name: string;
    readonly creation_timestamp_ms?: Int;
    readonly last_updated_timestamp_ms?: Int;
    readonly artifact_uri?: string;
    readonly status?: string;
    readonly model_type?: string;
    readonly source_run_id?: string;
    readonly tags?: readonly KeyValue[];
  };
  readonly data?: { readonly params?: readonly KeyValue[]; readonly metrics?: readonly ModelMetric[] };
}

/** What a run measured of a logged model. */
export interface ModelMetric extends Metric {
  readonly run_id?: string;
  readonly dataset_name?: string;
  readonly dataset_digest?: string;
}

export interface FileInfo {
  readonly path: string;
  readonly is_dir?: boolean;
  readonly file_size?: Int;
}

export interface Model {
  readonly name: string;
  readonly creation_timestamp?: Int;
  readonly last_updated_timestamp?: Int;
  readonly description?: string;
  readonly tags?: readonly KeyValue[];
  readonly aliases?: readonly { readonly alias: string; readonly version: Int }[];
}

export interface Version {
  readonly name: string;
  readonly version: Int;
  readonly creation_timestamp?: Int;
  readonly last_updated_timestamp?: Int;
  readonly user_id?: string;
  readonly current_stage?: string;
  readonly description?: string;
  readonly source?: string;
  readonly run_id?: string;
  readonly run_link?: string;
  readonly tags?: readonly KeyValue[];
}
