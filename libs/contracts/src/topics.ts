/** The five services, and `resources` and `access`, which every service folds. */
export const DOMAINS = ['tracking', 'registry', 'resources', 'access', 'features', 'inference', 'experimentation'] as const;
export type Domain = (typeof DOMAINS)[number];

/** What kind of records a topic holds: decisions obey the sequence rule, facts do not; dead letters are foreign bytes. */
export type TopicKind = 'decisions' | 'facts';

/** A line of the manifest. Structurally also the event log's `TopicSpec`. */
export interface TopicManifest {
  readonly name: string;
  readonly domain: Domain;
  readonly kind: TopicKind;
  /** Frozen at birth: adding partitions would re-hash keys and break the order per key. */
  readonly partitions: number;
  readonly retention: 'forever';
  /** What the record's key is. */
  readonly key: string;
  /** What the topic holds, for people. */
  readonly holds: string;
  /** Bare names of the event types on it; empty for decisions, which carry every decision of their domain. */
  readonly types: readonly string[];
}

/** Partitions of every topic of ours, and of a source topic that we create for a producer. Frozen. */
export const PARTITIONS = 4;

/** The topic of a domain's decisions. */
export function decisionsTopic<D extends string>(domain: D): `millrace.${D}.decisions` {
  return `millrace.${domain}.decisions`;
}

function decisions(domain: Domain, holds: string): TopicManifest {
  return {
    name: decisionsTopic(domain),
    domain,
    kind: 'decisions',
    partitions: PARTITIONS,
    retention: 'forever',
    key: 'the subject, <aggregate>/<id>',
    holds,
    types: [],
  };
}

/** Kept for ever as well: the offline store can be rebuilt only from what the log still has. */
function facts(domain: Domain, name: string, key: string, types: string[], holds: string): TopicManifest {
  return { name: `millrace.${domain}.${name}`, domain, kind: 'facts', partitions: PARTITIONS, retention: 'forever', key, holds, types };
}

/**
 * The manifest: every topic the platform owns. It is frozen: a line may be added, but the partitions and the key of a line
 * never change, and a service refuses to start on a log that disagrees.
 */
export const TOPICS = {
  trackingDecisions: decisions('tracking', 'experiments and runs: created, tagged, given parameters, finished, deleted'),
  registryDecisions: decisions('registry', 'registered models, their versions, stages, aliases and tags'),
  resourcesDecisions: decisions('resources', 'resources applied and deleted: sources, entities, feature views, deployments, experiments'),
  accessDecisions: decisions('access', 'API keys given out and revoked'),
  featuresDecisions: decisions('features', 'training sets and materialisations'),
  inferenceDecisions: decisions(
    'inference',
    'rollouts: started, advanced, held, rolled back; batch jobs: requested, their chunks, how they ended; streams: where they began',
  ),
  experimentationDecisions: decisions('experimentation', 'what was concluded about experiments'),
  metricPoints: facts('tracking', 'metric-points', 'the run id', ['MetricPointsLogged'], 'metric values of runs, in batches'),
  modelMetrics: facts(
    'tracking',
    'model-metrics',
    'the logged model id',
    ['ModelMetricsLogged'],
    'what runs have measured of logged models',
  ),
  webhookDeliveries: facts(
    'registry',
    'webhook-deliveries',
    'the delivery id',
    ['WebhookDeliveryQueued', 'WebhookDeliveryAttempted'],
    'deliveries of webhooks that are due, and what became of each attempt',
  ),
  traces: facts(
    'tracking',
    'traces',
    'the trace id',
    ['TraceLogged', 'SpansLogged', 'TraceTagged', 'TraceAssessed', 'TraceLinked', 'TraceDeleted'],
    'what is told of traces: their spans, tags, assessments and ends',
  ),
  datasetRecords: facts(
    'tracking',
    'dataset-records',
    'the evaluation dataset id',
    ['DatasetRecordsMerged', 'DatasetRecordsDeleted'],
    'what is told of the records of evaluation datasets',
  ),
  artifacts: facts('tracking', 'artifacts', 'the path', ['ArtifactUploaded'], 'files written to the artifact store, with their digests'),
  featureReads: facts(
    'features',
    'reads',
    'the id of the request',
    ['FeaturesRead'],
    'reads of feature services that log them, with what they rested on',
  ),
  predictions: facts(
    'inference',
    'predictions',
    'the prediction id',
    ['PredictionMade'],
    'answers of the gateway with what they rested on',
  ),
  shadows: facts(
    'inference',
    'shadows',
    'the prediction id',
    ['ShadowAnswered'],
    'mirrored requests: what the primary answered and the candidate would have',
  ),
  labels: facts('inference', 'labels', 'the prediction id', ['LabelRecorded'], 'the truth about predictions, however late'),
  servingChecks: facts(
    'inference',
    'serving-checks',
    'the registered model id',
    ['ServingChecked'],
    'registered versions that a gateway has loaded to see whether they can be served',
  ),
  exposures: facts('experimentation', 'exposures', 'the unit', ['UnitExposed'], 'units that met a variant'),
  outcomes: facts('experimentation', 'outcomes', 'the unit', ['OutcomeRecorded'], 'what experiments measure of units'),
} as const satisfies Readonly<Record<string, TopicManifest>>;

/** Topics that people name in resources, and what the platform writes to them. They are none of the manifest: each has the partitions of what it is made from. */
export const OUTPUTS = {
  name: '{output}',
  domain: 'inference',
  kind: 'facts',
  key: "its event's",
  holds: 'outputs of a StreamingInference, whose spec.output.topic is its name',
  types: ['StreamPredicted'],
} as const satisfies Omit<TopicManifest, 'partitions' | 'retention'>;

/** The manifest as a list. */
export const ALL_TOPICS: readonly TopicManifest[] = Object.values(TOPICS);

const BY_NAME = new Map(ALL_TOPICS.map((topic) => [topic.name, topic]));

/** The manifest's line of a topic; `undefined` for a topic that is not ours. */
export function topicManifest(name: string): TopicManifest | undefined {
  return BY_NAME.get(name);
}

/** What a topic is made of when a process of ours makes it for a producer (the topic of a Source). */
export function sourceTopic(name: string): { name: string; partitions: number; retention: 'forever' } {
  return { name, partitions: PARTITIONS, retention: 'forever' };
}
