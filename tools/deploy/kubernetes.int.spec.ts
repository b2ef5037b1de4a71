import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { POLICY } from '@millrace/bench';
import { addsModel } from '@millrace/onnx';
import { loadConfig } from '@millrace/service';
import { freePort, repositoryRoot, startFromSources, tempDir, waitFor, type RunningProcess, type TempDir } from '@millrace/testing';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { documentsOf, environmentOf, problemsOf, PROBES, type Container, type Manifest } from './manifests.js';

const folder = join(repositoryRoot, 'deploy', 'kubernetes', 'inference');
const text = (file: string): string => readFileSync(join(folder, file), 'utf8');

const manifests = ['deployment.yaml', 'hpa.yaml', 'keda.yaml', 'knative.yaml'].flatMap((file) => documentsOf(text(file)));
const find = (kind: string, apiVersion?: string): Manifest =>
  manifests.find((one) => one.kind === kind && (apiVersion === undefined || one.apiVersion === apiVersion)) as Manifest;
const containers = [find('Deployment'), find('Service', 'serving.knative.dev/v1')].map(({ spec }) => spec.template.spec.containers[0]);

describe('the manifests', () => {
  test('all of the folder is looked at here', () => {
    expect(readdirSync(folder).sort()).toEqual(['deployment.yaml', 'hpa.yaml', 'keda.yaml', 'knative.yaml', 'prometheus-adapter.yaml']);
  });

  test.each(manifests.map((manifest) => [manifest.apiVersion, manifest.kind, manifest] as const))(
    '%s %s is what its schema allows',
    (_, __, manifest) => {
      expect(problemsOf(manifest)).toEqual([]);
    },
  );

  test('the schemas notice a wrong type, a missing field and a field that is misspelt', () => {
    const changed = (manifest: Manifest, fields: object): Manifest => ({ ...manifest, spec: { ...manifest.spec, ...fields } });
    const hpa = find('HorizontalPodAutoscaler');
    expect(problemsOf(changed(hpa, { maxReplicas: 'many' }))).not.toEqual([]);
    expect(problemsOf(changed(hpa, { scaleTargetRef: undefined }))).not.toEqual([]);
    for (const manifest of manifests) expect(problemsOf(changed(manifest, { minReplicass: 1 }))).toEqual(['spec.minReplicass']);
    const deployment = structuredClone(find('Deployment'));
    Object.assign(deployment.spec.template.spec.containers[0].lifecycle.preStop, { sleeep: { seconds: 5 } });
    expect(problemsOf(deployment)).toEqual(['spec.template.spec.containers[0].lifecycle.preStop.sleeep']);
  });

  test('what they refer to is there', () => {
    const deployment = find('Deployment');
    const { labels } = deployment.spec.template.metadata;
    for (const selector of [
      deployment.spec.selector.matchLabels,
      find('Service', 'v1').spec.selector,
      find('PodDisruptionBudget').spec.selector.matchLabels,
    ])
      expect(labels).toMatchObject(selector);
    for (const kind of ['HorizontalPodAutoscaler', 'ScaledObject'])
      expect(find(kind).spec.scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: deployment.metadata.name });
    for (const container of containers) {
      const names = container.ports.map(({ name }) => name);
      for (const probe of PROBES) expect([...names, 8080]).toContain(container[probe].httpGet.port);
      expect(existsSync(join(repositoryRoot, container.args[0].replace('/dist/', '/src/').replace(/\.js$/, '.ts')))).toBe(true);
    }
    const named = deployment.spec.template.spec.containers[0].ports.map(({ name }) => name);
    for (const { targetPort } of find('Service', 'v1').spec.ports) expect(named).toContain(targetPort);
  });

  test('the time a pod has to end is enough for all it does', () => {
    const { terminationGracePeriodSeconds, containers: own } = find('Deployment').spec.template.spec;
    expect(own[0].lifecycle.preStop.sleep.seconds).toBe(POLICY.preStopSeconds);
    for (const container of containers) expect(valueOf(container, 'MILLRACE_DRAIN')).toBe(`${POLICY.drainSeconds}s`);
    const seconds = POLICY.preStopSeconds + POLICY.drainSeconds + parseInt(valueOf(own[0], 'MILLRACE_SHUTDOWN_DEADLINE') as string, 10);
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(seconds + 5);
  });
});

describe('the policy that is simulated is that of the manifests', () => {
  const behavior = {
    scaleUp: {
      stabilizationWindowSeconds: POLICY.scaleUp.stabilizationSeconds,
      selectPolicy: 'Max',
      policies: [
        { type: 'Percent', value: POLICY.scaleUp.percent, periodSeconds: POLICY.scaleUp.periodSeconds },
        { type: 'Pods', value: POLICY.scaleUp.pods, periodSeconds: POLICY.scaleUp.periodSeconds },
      ],
    },
    scaleDown: {
      stabilizationWindowSeconds: POLICY.scaleDown.stabilizationSeconds,
      policies: [{ type: 'Percent', value: POLICY.scaleDown.percent, periodSeconds: POLICY.scaleDown.periodSeconds }],
    },
  };

  test('HPA', () => {
    const { spec } = find('HorizontalPodAutoscaler');
    expect(spec).toMatchObject({ minReplicas: POLICY.minReplicas, maxReplicas: POLICY.maxReplicas, behavior });
    expect(spec.metrics.map(({ pods }) => [pods.metric.name, pods.target.averageValue])).toEqual([
      ['millrace_inference_busy_share', `${POLICY.busyShare * 1000}m`],
      ['millrace_inference_queued_rows', String(POLICY.queuedRows)],
    ]);
    const rules = (parse(text('prometheus-adapter.yaml')) as { rules: { custom: { name: { as: string }; metricsQuery: string }[] } }).rules
      .custom;
    expect(rules.map(({ name }) => name.as)).toEqual(spec.metrics.map(({ pods }) => pods.metric.name));
    for (const { metricsQuery } of rules) expect(metricsQuery).toContain(`[${POLICY.rateSeconds}s]`);
  });

  test('KEDA', () => {
    const { spec } = find('ScaledObject');
    const { pollingSeconds, cooldownSeconds, fallbackAfter, fallbackReplicas } = POLICY.keda;
    expect(spec).toMatchObject({
      ...{ minReplicaCount: POLICY.minReplicas, maxReplicaCount: POLICY.maxReplicas },
      ...{ pollingInterval: pollingSeconds, cooldownPeriod: cooldownSeconds },
      fallback: { failureThreshold: fallbackAfter, replicas: fallbackReplicas },
      advanced: { horizontalPodAutoscalerConfig: { behavior } },
    });
    expect(spec.triggers.map(({ name, metadata }) => [name, metadata.threshold])).toEqual([
      ['busy', String(POLICY.busyShare)],
      ['queued', String(POLICY.queuedRows)],
      ['stream-lag', String(POLICY.keda.streamLagRecords)],
    ]);
    for (const { metadata } of spec.triggers) expect(metadata.query).toContain(`[${POLICY.rateSeconds}s]`);
  });

  test('Knative', () => {
    const { knative } = POLICY;
    const { metadata, spec } = find('Service', 'serving.knative.dev/v1').spec.template;
    const of = (name: string): string | undefined => metadata.annotations[`autoscaling.knative.dev/${name}`];
    expect(spec.containerConcurrency).toBe(knative.containerConcurrency);
    expect({ target: of('target'), most: of('max-scale'), least: of('min-scale'), window: of('window') }).toEqual({
      ...{ target: String(knative.targetInFlight), most: String(POLICY.maxReplicas), least: '0', window: `${knative.windowSeconds}s` },
    });
    expect([of('panic-window-percentage'), of('panic-threshold-percentage')]).toEqual([
      String(knative.panicWindowPercent),
      String(knative.panicThresholdPercent),
    ]);
    expect([of('scale-down-delay'), of('scale-to-zero-pod-retention-period')]).toEqual([
      `${knative.scaleDownDelaySeconds}s`,
      `${knative.retentionSeconds}s`,
    ]);
  });
});

describe('beside a running process', () => {
  let temp: TempDir;
  let child: RunningProcess;
  let url: string;

  beforeAll(async () => {
    temp = await tempDir('kubernetes');
    url = `http://127.0.0.1:${await freePort()}`;
    const env = {
      ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: new URL(url).port, MILLRACE_GRPC_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0' },
      MILLRACE_LOG_LEVEL: 'error',
    };
    child = await startFromSources('platform', ['services/platform/src/main.ts'], `${url}/readyz`, env);
    await call('PUT', '/api/2.0/mlflow-artifacts/artifacts/adds/model.onnx', addsModel(1));
    await call('POST', '/api/2.0/mlflow/registered-models/create', JSON.stringify({ name: 'adds' }));
    await call('POST', '/api/2.0/mlflow/model-versions/create', JSON.stringify({ name: 'adds', source: 'mlflow-artifacts:/adds' }));
    const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] });
    await waitFor(async () => (await fetch(`${url}/v2/models/adds/versions/1/infer`, { method: 'POST', body })).ok, {
      what: 'the model to answer',
    });
  }, 120_000);
  afterAll(async () => {
    await child.stop();
    await temp.remove();
  });

  const call = async (method: string, path: string, body: string | Uint8Array): Promise<void> => {
    const response = await fetch(`${url}${path}`, { method, headers: { 'content-type': 'application/json' }, body: body as string });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
  };

  test('it shows every metric that a manifest or the adapter asks for, with the labels that are asked for', async () => {
    const documents = [
      ['Source', 'clicks', '{topic: clicks, key: id, eventTime: at, schema: {id: String, at: DateTime64(3), x: Float32}}'],
      ['Deployment', 'adds', '{model: models:/adds/1}'],
      ['StreamingInference', 'scored', '{deployment: adds, source: clicks, output: {topic: scored}}'],
    ].map(([kind, name, spec]) => `apiVersion: millrace.dev/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`);
    await call('POST', '/api/v1/apply', documents.join('---\n'));
    let shown = '';
    const isStreaming = async (): Promise<boolean> => {
      shown = await (await fetch(`${url}/metrics`)).text();
      return /^millrace_stream_lag_records\{stream="scored",partition="0".*\} 0$/m.test(shown);
    };
    await waitFor(isStreaming, { what: 'the stream to tell its lag' });
    const queries = ['keda.yaml', 'prometheus-adapter.yaml'].map(text).join('\n');
    const asked = new Set(queries.match(/\b(?:millrace|nv)_[a-z_]+(?=\{)/g));
    expect([...asked].sort()).toEqual([
      'millrace_inference_busy_seconds_total',
      'millrace_inference_queued_rows',
      'millrace_stream_lag_records',
    ]);
    for (const name of asked) expect(shown).toMatch(new RegExp(`^${name}\\{`, 'm'));
    for (const part of ['loop', 'workers', 'model'])
      expect(shown).toMatch(new RegExp(`^millrace_inference_busy_seconds_total\\{.*part="${part}"`, 'm'));
    for (const name of ['millrace_inference_queued_rows', 'millrace_inference_running_rows', 'nv_inference_pending_request_count'])
      expect(shown).toMatch(new RegExp(`^${name}\\{model="adds",version="1".*\\} 0$`, 'm'));
    expect(shown).toMatch(/^millrace_inference_batch_jobs_open\{.*\} 0$/m);
    const busy = Number(/^millrace_inference_busy_seconds_total\{part="loop".*\} (.*)$/m.exec(shown)?.[1]);
    expect(busy).toBeGreaterThan(0);
  });

  test('it answers on every path that a probe or Prometheus asks', async () => {
    const probes = containers.flatMap((container) => PROBES.map((probe) => container[probe].httpGet.path));
    const scraped = find('Deployment').spec.template.metadata.annotations['prometheus.io/path'];
    // What was applied before is being loaded and caught up with, and it says so meanwhile.
    for (const path of new Set([...probes, scraped]))
      await waitFor(async () => (await fetch(`${url}${path}`)).status === 200, { what: `${path} to answer 200` });
  });

  test('Kubernetes tells a pod of no services: their variables would be taken for ours', async () => {
    const { inferenceConfig } = await import('@millrace/inference');
    const told = { MILLRACE_INFERENCE_SERVICE_HOST: '10.0.0.1', MILLRACE_INFERENCE_PORT: 'tcp://10.0.0.1:8080' };
    expect(() => loadConfig([inferenceConfig], told)).toThrow(/MILLRACE_INFERENCE_/);
    expect(find('Deployment').spec.template.spec.enableServiceLinks).toBe(false);
  });

  test('every variable they set is one that the service knows, with a value that it takes', async () => {
    const { inferenceConfig } = await import('@millrace/inference');
    for (const container of containers) {
      const given = environmentOf(container);
      expect(() => loadConfig([inferenceConfig], given)).not.toThrow();
      expect(() => loadConfig([inferenceConfig], { ...given, MILLRACE_DRAINN: '1s' })).toThrow();
      const ports = container.ports.map(({ containerPort }) => containerPort);
      expect(ports).toContain(Number(given['MILLRACE_PORT']));
      if (given['MILLRACE_GRPC_PORT']) expect(ports).toContain(Number(given['MILLRACE_GRPC_PORT']));
    }
  });
});

function valueOf(container: Container, name: string): string | undefined {
  return container.env.find((one) => one.name === name)?.value;
}
