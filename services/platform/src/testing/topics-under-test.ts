import { ALL_TOPICS, TOPICS, type TopicManifest } from '@millrace/contracts';
import { logisticRegression } from '@millrace/onnx';
import { waitFor } from '@millrace/testing';

export interface TopicUnderTest {
  readonly name: string;
  readonly kind: TopicManifest['kind'] | 'source';
  /** The consumer that writes the topic's dead letters. */
  readonly keeper: string;
  /** Where its `/metrics` are; `undefined` where every service shares the work. */
  readonly owner: string | undefined;
  /** Whose rows say how far the topic has been projected. */
  readonly table: string;
  /** Lets the platform write to it: another thing for each `n`, of the same key where the key is not made by the platform. */
  readonly write: (n: number) => Promise<unknown>;
}

/** Topics that are made for what is to come: nobody writes to them, so nobody reads them. */
export const UNREAD: readonly string[] = [TOPICS.experimentationDecisions.name];

const SOURCE = 'sensors';
export const SOURCE_TOPIC = 'poison.sensors';

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: ${SOURCE}}
spec: {topic: ${SOURCE_TOPIC}, format: json, key: sensor, eventTime: at, schema: {sensor: String, at: DateTime64(3), value: Int64}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: sensor}
spec: {joinKeys: {sensor: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: sensor_values}
spec:
  entity: sensor
  source: ${SOURCE}
  features: [{name: values_1h, aggregate: count, window: 1h}]
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: sensor_model}
spec: {features: [sensor_values], readLog: {}}
---
apiVersion: millrace.dev/v1
kind: Experiment
metadata: {name: trial}
spec: {unit: sensor, variants: [{name: a, weight: 1}, {name: b, weight: 1}], metrics: [{name: gain, source: outcome, type: mean}]}
`;

const MIRRORED = `
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: probed}
spec: {model: models:/poison/1}
---
apiVersion: millrace.dev/v1
kind: Rollout
metadata: {name: probe}
spec: {deployment: probed, candidate: models:/poison/2, strategy: shadow}
`;

/** Applies what the platform needs to be written to in every topic, and says how that is done. */
export async function openTopics(url: string): Promise<TopicUnderTest[]> {
  const post = (path: string, body: object | string, type = 'application/json') => send(url, 'POST', path, body, type);
  const get = (path: string) => send(url, 'GET', path);
  const mlflow = (path: string, body: object) => post(`/api/2.0/mlflow/${path}`, body);
  await post('/api/v1/apply', RESOURCES, 'application/yaml');
  const start = Date.now();
  const run = (await mlflow('runs/create', { experiment_id: '0', start_time: start })) as {
    run: { info: { run_id: string; artifact_uri: string } };
  };
  const { run_id, artifact_uri } = run.run.info;
  await publishModel(url, mlflow, artifact_uri);
  // Its receiver is an endpoint that answers 200 to any body.
  const hook = {
    name: 'poison',
    url: `${url}/api/2.0/mlflow/experiments/search`,
    events: [{ entity: 'REGISTERED_MODEL', action: 'CREATED' }],
  };
  await mlflow('webhooks', hook);
  const logged = await mlflow('logged-models', { experiment_id: '0', name: 'poison' });
  const { model_id } = (logged as { model: { info: { model_id: string } } }).model.info;
  const made = await post('/api/3.0/mlflow/datasets/create', { name: 'cases', experiment_ids: ['0'] });
  const { dataset_id } = (made as { dataset: { dataset_id: string } }).dataset;
  const input = { inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 1], data: [1] }] };
  // The model is loaded when it is first asked for.
  await waitFor(() => post('/v2/models/poison/infer', input), { what: 'the model to be served', timeoutMs: 60_000 });
  await post('/api/v1/apply', MIRRORED, 'application/yaml');
  const isMirrored = async (): Promise<boolean> => {
    await post('/v2/models/probed/infer', input);
    const { evidence } = (await get('/api/v1/rollouts/probe')) as { evidence: { requests: { candidate: number } } | null };
    return (evidence?.requests.candidate ?? 0) > 0;
  };
  await waitFor(() => isMirrored().catch(() => false), { what: 'requests to be mirrored', timeoutMs: 60_000 });

  const writers: Readonly<Record<string, Omit<TopicUnderTest, 'name' | 'kind'>>> = {
    [TOPICS.trackingDecisions.name]: {
      ...decisions('tracking'),
      write: (n) => mlflow('experiments/create', { name: `experiment ${n}` }),
    },
    [TOPICS.registryDecisions.name]: {
      ...decisions('registry'),
      write: (n) => mlflow('registered-models/create', { name: `model ${n}` }),
    },
    [TOPICS.resourcesDecisions.name]: {
      ...decisions('resources'),
      owner: undefined,
      write: (n) =>
        post('/api/v1/apply', {
          apiVersion: 'millrace.dev/v1',
          kind: 'Entity',
          metadata: { name: 'probe', description: `number ${n}` },
          spec: { joinKeys: { probe: 'String' } },
        }),
    },
    [TOPICS.accessDecisions.name]: {
      ...decisions('access'),
      owner: undefined,
      write: (n) => post('/api/v1/access/keys', { name: `key-${n}`, role: 'viewer' }),
    },
    [TOPICS.featuresDecisions.name]: {
      ...decisions('features'),
      write: async (n) => {
        const spine = { rows: [{ sensor: 's1', timestamp: new Date(start + n).toISOString() }] };
        const request = { featureService: 'sensor_model', timestampColumn: 'timestamp', spine };
        const { id } = (await post('/api/v1/training-sets', request)) as { id: string };
        // Built in the background, which is a decision of the same subject.
        await waitFor(async () => ((await get(`/api/v1/training-sets/${id}`)) as { status: string }).status !== 'requested');
      },
    },
    [TOPICS.featureReads.name]: {
      ...facts('features', 'reads', 'feature_reads'),
      write: () => post('/get-online-features', { feature_service: 'sensor_model', entities: { sensor: ['s1'] } }),
    },
    [TOPICS.metricPoints.name]: {
      ...facts('tracking', 'metric-points', 'metric_points'),
      write: (n) => mlflow('runs/log-metric', { run_id, key: 'loss', value: n, timestamp: start + n, step: n }),
    },
    [TOPICS.modelMetrics.name]: {
      ...facts('tracking', 'model-metrics', 'logged_model_metrics'),
      write: (n) => mlflow('runs/log-metric', { run_id, model_id, key: 'loss', value: n, timestamp: start + n, step: n }),
    },
    [TOPICS.traces.name]: {
      ...facts('tracking', 'traces', 'trace_facts'),
      write: (n) => post('/api/3.0/mlflow/traces', { trace: { trace_info: traceInfo(n, start) } }),
    },
    [TOPICS.artifacts.name]: {
      ...facts('tracking', 'artifacts', 'artifact_uploads'),
      // Every process that writes files or registers them shares it.
      owner: undefined,
      write: (n) => send(url, 'PUT', `/api/2.0/mlflow-artifacts/artifacts/poison/${n}.txt`, `file ${n}`, 'text/plain'),
    },
    [TOPICS.webhookDeliveries.name]: {
      ...facts('registry', 'webhook-deliveries', 'webhook_delivery_facts'),
      write: (n) => mlflow('registered-models/create', { name: `announced ${n}` }),
    },
    [TOPICS.datasetRecords.name]: {
      ...facts('tracking', 'dataset-records', 'dataset_record_facts'),
      write: (n) => post(`/api/3.0/mlflow/datasets/${dataset_id}/records`, { records: JSON.stringify([{ inputs: { n } }]) }),
    },
    [TOPICS.inferenceDecisions.name]: {
      ...decisions('inference'),
      write: async (n) => {
        await post('/api/v1/rollouts/probe/pause', { reason: `number ${n}` });
        await post('/api/v1/rollouts/probe/resume', { reason: `number ${n}` });
      },
    },
    [TOPICS.shadows.name]: {
      ...facts('inference', 'shadows', 'shadow_answers'),
      write: () => post('/v2/models/probed/infer', input),
    },
    [TOPICS.predictions.name]: {
      ...facts('inference', 'predictions', 'predictions'),
      write: () => post('/v2/models/poison/infer', input),
    },
    [TOPICS.labels.name]: {
      ...facts('inference', 'labels', 'labels'),
      write: (n) => post('/api/v1/deployments/any/labels', [{ predictionId: 'p1', value: n }]),
    },
    [TOPICS.servingChecks.name]: {
      ...facts('inference', 'serving-checks', 'serving_checks'),
      write: () => mlflow('model-versions/create', { name: 'poison', source: `${artifact_uri}/model` }),
    },
    [TOPICS.exposures.name]: {
      ...facts('experimentation', 'exposures', 'exposures'),
      write: (n) => post('/api/v1/experiments/trial/exposures', [{ unit: 'u1', variant: 'a', time: start + n }]),
    },
    [TOPICS.outcomes.name]: {
      ...facts('experimentation', 'outcomes', 'outcomes'),
      write: (n) => post('/api/v1/experiments/trial/outcomes', [{ unit: 'u1', metric: 'gain', value: n, time: start + n }]),
    },
  };
  const source: TopicUnderTest = {
    name: SOURCE_TOPIC,
    kind: 'source',
    keeper: `features.${SOURCE}.table`,
    owner: 'features',
    table: `millrace.source_${SOURCE}`,
    write: (n) => post(`/api/v1/sources/${SOURCE}/events`, [{ sensor: 's1', at: start + n, value: n }]),
  };
  const read = ALL_TOPICS.filter(({ name }) => !UNREAD.includes(name));
  return [...read.map(({ name, kind }) => ({ name, kind, ...(writers[name] as Omit<TopicUnderTest, 'name' | 'kind'>) })), source];
}

function traceInfo(n: number, start: number): object {
  return {
    ...{ trace_id: `tr-${String(n).padStart(32, '0')}`, request_time: new Date(start).toISOString(), state: 'OK' },
    trace_location: { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: '0' } },
  };
}

function decisions(domain: string): Pick<TopicUnderTest, 'keeper' | 'owner' | 'table'> {
  return { keeper: `${domain}.decisions`, owner: domain, table: 'millrace.decisions' };
}

function facts(domain: string, projection: string, table: string): Pick<TopicUnderTest, 'keeper' | 'owner' | 'table'> {
  return { keeper: `${domain}.${projection}`, owner: domain, table: `millrace.${table}` };
}

async function publishModel(url: string, mlflow: (path: string, body: object) => Promise<unknown>, artifactUri: string): Promise<void> {
  const path = artifactUri.replace(/^mlflow-artifacts:\/+/, '');
  const onnx = logisticRegression({ features: ['x'], weights: [1], bias: 0, mean: [0], scale: [1] });
  await send(url, 'PUT', `/api/2.0/mlflow-artifacts/artifacts/${path}/model/model.onnx`, onnx, 'application/octet-stream');
  await mlflow('registered-models/create', { name: 'poison' });
  for (let version = 1; version <= 2; version++) await mlflow('model-versions/create', { name: 'poison', source: `${artifactUri}/model` });
}

async function send(url: string, method: string, path: string, body?: object | string, type = 'application/json'): Promise<unknown> {
  const bytes = typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body);
  const init = body === undefined ? {} : { headers: { 'content-type': type }, body: bytes };
  const response = await fetch(`${url}${path}`, { method, ...init, signal: AbortSignal.timeout(60_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 1000)}`);
  return JSON.parse(text);
}
