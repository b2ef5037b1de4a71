import type { Aggregate, WindowKind } from '@millrace/feature-engine';

/** For people: who answers for it, and what it is filed under. Changes nothing that is computed. */
export interface Ownership {
  readonly owner?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** What values of a source's column are expected to be. */
export interface ExpectationSpec {
  readonly column: string;
  readonly min?: number;
  readonly max?: number;
  readonly notNull?: boolean;
  readonly oneOf?: readonly (string | number | boolean)[];
  readonly action?: 'reject' | 'warn';
}

/** The specs of the kinds, as `schemas/resources/` describes them. */
export interface SourceSpec extends Ownership {
  /** Exactly one of `topic`, `query`, `table`, `files` and `push` is there. */
  readonly topic?: string;
  /** A SELECT whose rows are materialized. */
  readonly query?: string;
  /** `database.table` */
  readonly table?: string;
  /** A path in the artifact store, or `file:///...`; `*` and `?` match. */
  readonly files?: string;
  readonly push?: true;
  readonly schedule?: { readonly every?: string; readonly lookback?: string };
  readonly format?: 'json' | 'cloudevents';
  /** Columns whose values key the topic's records, in this order. */
  readonly key?: string | readonly string[];
  readonly eventTime: string;
  readonly eventId?: string;
  readonly corrections?: 'values' | 'times';
  readonly partitions?: number;
  readonly schema: Readonly<Record<string, string>>;
  readonly expectations?: readonly ExpectationSpec[];
}

export interface EntitySpec extends Ownership {
  readonly joinKeys: Readonly<Record<string, string>>;
}

export interface FeatureSpec {
  readonly name: string;
  readonly aggregate?: Aggregate;
  readonly expression?: string;
  readonly column?: string;
  readonly window?: string;
  readonly windowKind?: WindowKind;
  readonly gap?: string;
  readonly includeCurrent?: boolean;
  readonly filter?: string;
  readonly k?: number;
  readonly quantile?: number;
  readonly description?: string;
  /** Tells about a person. */
  readonly pii?: boolean;
}

/** A view of one entity's events. */
export interface StoredViewSpec extends Ownership {
  readonly entity: string;
  readonly source: string;
  readonly ttl?: string;
  readonly online?: boolean;
  readonly history?: string;
  readonly span?: string;
  readonly features: readonly FeatureSpec[];
}

/** A view whose features are expressions over features of other views and over what a caller brings. */
export interface OnDemandViewSpec extends Ownership {
  /** `view` or `view:feature`, with a version or without. */
  readonly inputs?: readonly string[];
  readonly request?: Readonly<Record<string, string>>;
  readonly features: readonly FeatureSpec[];
}

export type FeatureViewSpec = StoredViewSpec | OnDemandViewSpec;

export function isOnDemandSpec(spec: FeatureViewSpec): spec is OnDemandViewSpec {
  return 'inputs' in spec || 'request' in spec;
}

export interface FeatureServiceSpec extends Ownership {
  /** `view` or `view:feature`; `view@2` and `view@2:feature` are that version. */
  readonly features: readonly string[];
  readonly request?: Readonly<Record<string, string>>;
  /** Reads of it are logged; none when absent. */
  readonly readLog?: { readonly sample?: number; readonly redact?: readonly string[] };
}

export interface DeploymentSpec {
  /** `models:/name@alias` or `models:/name/3`. */
  readonly model: string;
  /** Also pinned, `delay_model@3`. */
  readonly featureService?: string;
  /** Units are assigned to the experiment's variants; a variant that names a model is served by it. */
  readonly experiment?: string;
  readonly predictionLog?: { readonly sample?: number; readonly redact?: readonly string[] };
}

export interface VariantSpec {
  readonly name: string;
  readonly weight: number;
  readonly model?: string;
}

export interface MetricSpec {
  readonly name: string;
  /** `label`: from the labels of the deployment's predictions; `outcome`: from outcomes sent for the experiment. */
  readonly source: 'label' | 'outcome';
  /** Of a metric over labels: the label's name; when absent, labels called as the metric and labels without a name count. */
  readonly label?: string;
  /** `squaredError`: the mean of (prediction - label)^2, for labels only. */
  readonly type: 'mean' | 'proportion' | 'squaredError';
}

export interface ExperimentSpec {
  readonly unit: string;
  /** The first variant is the control. */
  readonly variants: readonly VariantSpec[];
  readonly metrics?: readonly MetricSpec[];
  /** Share of the units that take part, 0 to 1; all when absent. */
  readonly traffic?: number;
  readonly salt?: string;
}

export interface PolicyCheckSpec {
  readonly name: string;
  readonly type: 'reported' | 'goldenRows' | 'metric' | 'signature' | 'licence' | 'modelCard' | 'servable';
  readonly recorders?: readonly string[];
  readonly maxAge?: string;
  readonly metric?: string;
  readonly better?: 'lower' | 'higher';
  readonly margin?: number;
  readonly sameData?: boolean;
  readonly featureService?: string;
  readonly allowed?: readonly string[];
  readonly sections?: readonly string[];
}

export interface PolicySpec {
  readonly models?: readonly string[];
  readonly stages?: readonly ('None' | 'Staging' | 'Production' | 'Archived')[];
  readonly aliases?: readonly string[];
  readonly from?: readonly ('None' | 'Staging' | 'Production' | 'Archived')[];
  readonly requesters?: readonly string[];
  readonly approvers?: readonly string[];
  readonly approvals?: number;
  readonly checks?: readonly PolicyCheckSpec[];
  readonly expiresAfter?: string;
  readonly promotion?: 'automatic' | 'manual';
  readonly archiveExisting?: boolean;
  readonly rollback?: readonly string[];
  readonly governsServing?: boolean;
}

export interface RolloutStepSpec {
  /** `5%` */
  readonly share: string;
  readonly pause?: string;
  readonly samples?: number;
}

export interface RolloutGateSpec {
  readonly metric: string;
  readonly label?: string;
  readonly margin?: number;
  readonly limit?: number;
  readonly tolerance?: number;
  readonly guard?: boolean;
  readonly outcome?: string;
  readonly experiment?: string;
  readonly range?: readonly number[];
  readonly better?: 'more' | 'less';
  readonly within?: string;
}

export interface RolloutSpec {
  readonly deployment: string;
  /** `models:/name@alias` or `models:/name/3`. */
  readonly candidate: string;
  readonly strategy: 'blue-green' | 'canary' | 'shadow' | 'ab' | 'bandit';
  readonly unit?: string;
  readonly steps?: readonly (string | RolloutStepSpec)[];
  readonly split?: string;
  readonly mirror?: string;
  readonly gates?: readonly RolloutGateSpec[];
  readonly reward?: { readonly label: string; readonly every?: number; readonly floor?: string };
  readonly alpha?: number;
  readonly promotion?: 'automatic' | 'manual';
  readonly fallback?: 'primary' | 'none';
  readonly salt?: string;
}

export interface StreamingInferenceSpec {
  readonly deployment: string;
  readonly source: string;
  /** Input of the request -> column of the source. */
  readonly inputs?: Readonly<Record<string, string>>;
  readonly unit?: string;
  readonly featureTime?: 'eventTime' | 'now';
  readonly output: { readonly topic: string; readonly columns?: readonly string[]; readonly outputs?: readonly string[] };
  readonly start?: 'earliest' | 'latest';
  readonly generation?: number;
  readonly suspended?: boolean;
  readonly maxBatchRecords?: number;
  readonly maxInFlight?: number;
}

export interface ResourceSpecs {
  readonly Source: SourceSpec;
  readonly Entity: EntitySpec;
  readonly FeatureView: FeatureViewSpec;
  readonly FeatureService: FeatureServiceSpec;
  readonly Experiment: ExperimentSpec;
  readonly Deployment: DeploymentSpec;
  readonly Rollout: RolloutSpec;
  readonly StreamingInference: StreamingInferenceSpec;
  readonly Policy: PolicySpec;
}

export type Kind = keyof ResourceSpecs;

/** In the order in which they may refer to one another: apply goes from left to right, delete from right to left. */
export const KINDS = [
  'Source',
  'Entity',
  'FeatureView',
  'FeatureService',
  'Experiment',
  'Deployment',
  'Rollout',
  'StreamingInference',
  'Policy',
] as const satisfies readonly Kind[];

export function isKind(text: string): text is Kind {
  return (KINDS as readonly string[]).includes(text);
}

/** `<Kind>/<name>` -> version. */
export type Pins = Readonly<Record<string, number>>;

/** One version of one resource, as it stands in the log. */
export interface Resource<K extends Kind = Kind> {
  readonly kind: K;
  readonly name: string;
  readonly spec: ResourceSpecs[K];
  readonly labels: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly hash: string;
  readonly version: number;
  /** The versions of what it rests on, as they were when this version was made. */
  readonly pins?: Pins;
}

export const API_VERSION = 'millrace.dev/v1';

/** One document of an apply request, parsed and of the right outer shape. */
export interface ResourceDocument {
  /** 1-based place in the request. */
  readonly index: number;
  readonly kind: Kind;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** What is wrong with a document: where, and how to mend it. */
export interface DocumentProblem {
  readonly document: number;
  /** `Kind/name` as far as known. */
  readonly resource: string;
  /** Path of the field, `spec.features[2].window`. */
  readonly field: string;
  readonly message: string;
}
