import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { POLICY } from '@millrace/bench';
import { experimentationConfig } from '@millrace/experimentation';
import { featuresConfig } from '@millrace/features';
import { inferenceConfig } from '@millrace/inference';
import { registryConfig } from '@millrace/registry';
import { loadConfig, type ConfigGroup } from '@millrace/service';
import { ensureVenv, repositoryRoot, runCommand, tempDir, type TempDir } from '@millrace/testing';
import { trackingConfig } from '@millrace/tracking';
import { existsSync, readFileSync } from 'node:fs';
import { cp, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { documentsOf, environmentOf, problemsOf, PROBES, type Container, type Manifest } from './manifests.js';

const CHART = join(repositoryRoot, 'deploy', 'helm', 'millrace');
const SERVICES = { tracking: trackingConfig, registry: registryConfig, features: featuresConfig, inference: inferenceConfig };
const CONFIGS: Readonly<Record<string, readonly ConfigGroup[]>> = {
  ...Object.fromEntries(Object.entries(SERVICES).map(([name, config]) => [name, [config]])),
  experimentation: [experimentationConfig],
  platform: [...Object.values(SERVICES), experimentationConfig],
  router: [],
};

const STANDS_ON = {
  mode: 'distributed',
  kafka: { brokers: 'kafka-0:9092,kafka-1:9092' },
  redis: { url: 'redis://redis:6379' },
  clickhouse: { url: 'http://clickhouse:8123' },
  artifacts: { url: 's3://models/millrace' },
};
const ALL = {
  ...STANDS_ON,
  image: { repository: 'registry.example/millrace', tag: '1.2', pullSecrets: [{ name: 'pull' }] },
  auth: {
    ...{ metrics: true, workspace: 'fraud', adminKey: { existingSecret: 'keys' } },
    oidc: { issuer: 'https://id.example/', audience: 'mill', jwksUrl: 'https://id.example/keys', rolesClaim: 'roles', actorClaim: 'email' },
  },
  kafka: {
    ...{ brokers: 'kafka-0:9093', replication: 3, sasl: { mechanism: 'scram-sha-512', existingSecret: 'kafka-user' } },
    tls: { enabled: true, existingSecret: 'kafka-tls', certKey: 'tls.crt', keyKey: 'tls.key' },
  },
  redis: { existingSecret: 'redis' },
  clickhouse: { url: 'https://clickhouse:8443', user: 'millrace', existingSecret: 'clickhouse' },
  artifacts: { url: 's3://models/millrace', s3: { endpoint: 'http://s3:9000', existingSecret: 's3' } },
  sealing: { existingSecret: 'sealing' },
  signing: { existingSecret: 'signing' },
  env: { MILLRACE_LOG_LEVEL: 'warn', MILLRACE_TRACE_RATIO: 0.1 },
  extraEnv: [{ name: 'NODE_OPTIONS', value: '--max-old-space-size=1500' }],
  serviceAccount: { annotations: { 'example.org/role': 'models' } },
  podLabels: { team: 'ml' },
  nodeSelector: { disk: 'ssd' },
  tolerations: [{ key: 'ml', operator: 'Exists' }],
  services: {
    tracking: { persistence: { enabled: true } },
    inference: { persistence: { enabled: true, storageClass: '-' }, env: { MILLRACE_INFERENCE_RUNNER: 'worker' } },
  },
  autoscaling: { kind: 'keda' },
  pathPrefix: '/millrace',
  service: { type: 'LoadBalancer', annotations: { 'example.org/internal': 'true' } },
  ingress: { enabled: true, className: 'nginx', annotations: { a: 'b' }, tls: [{ hosts: ['millrace.example.org'], secretName: 'tls' }] },
  podMonitor: { enabled: true, labels: { release: 'prometheus' } },
};
const CASES: readonly (readonly [string, object])[] = [
  ['one process, as it is', {}],
  [
    'one process on a claim that is there, with files elsewhere',
    { embedded: { persistence: { existingClaim: 'mine' } }, artifacts: STANDS_ON.artifacts },
  ],
  ['services apart, with what they need', STANDS_ON],
  ['services apart, files on a claim', { ...STANDS_ON, artifacts: { url: 'file:///artifacts', existingClaim: 'shared' } }],
  ['services apart, scaled by an HPA', { ...STANDS_ON, autoscaling: { kind: 'hpa' } }],
  ['services apart, with all there is', ALL],
];
/** A secret that has to look like something to be taken. */
const SECRETS = { MILLRACE_REDIS_URL: 'redis://:password@redis:6379' };

let directory: TempDir;
let helm: string;
const rendered = new Map<string, Manifest[]>();

beforeAll(async () => {
  directory = await tempDir('helm');
  helm = (await ensureVenv('helm-3.17.3', ['helm-binary==3.17.3.post1'])).bin('helm');
  for (const [name, values] of CASES) rendered.set(name, documentsOf(await template(values)));
}, 600_000);
afterAll(() => directory.remove());

let files = 0;
/** Runs a command of Helm on the chart with values. */
async function onChart(args: readonly string[], values: object, chart = CHART): Promise<string> {
  const file = join(directory.path, `values-${files++}.json`);
  await writeFile(file, JSON.stringify(values));
  return runCommand(helm, [...args, chart, '-f', file, '--kube-version', '1.33.0'], { env: { HELM_CACHE_HOME: directory.path } });
}
const template = (values: object, chart?: string): Promise<string> => onChart(['template', 'mill', '--namespace', 'ml'], values, chart);

const of = (name: string): Manifest[] => rendered.get(name) as Manifest[];
const pods = (manifests: readonly Manifest[]): Manifest[] => manifests.filter(({ spec }) => spec?.template !== undefined);
const containerOf = ({ spec }: Manifest): Container => spec.template.spec.containers[0];
const named = (manifests: readonly Manifest[], kind: string, name: string): Manifest | undefined =>
  manifests.find((one) => one.kind === kind && one.metadata.name === name);
const contains = (labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);

describe.each(CASES)('the chart, %s', (name, values) => {
  test('passes the linter, strictly', () => onChart(['lint', '--strict'], values), 60_000);

  test('gives what the schema of each kind allows', () => {
    // The Prometheus operator's own kind has no schema here.
    for (const manifest of of(name).filter(({ kind }) => kind !== 'PodMonitor')) {
      expect([manifest.kind, manifest.metadata.name, ...problemsOf(manifest)]).toEqual([manifest.kind, manifest.metadata.name]);
    }
  });

  test('every name is given once, and what is referred to is there', () => {
    const all = of(name);
    const names = all.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { kind, metadata, spec } of all) {
      if (kind !== 'Service' && kind !== 'PodDisruptionBudget') continue;
      const selector = kind === 'Service' ? (spec.selector as unknown as Record<string, string>) : spec.selector.matchLabels;
      const chosen = pods(all).filter((pod) => contains(pod.spec.template.metadata.labels, selector));
      expect([metadata.name, chosen.length]).toEqual([metadata.name, 1]);
      const offered = containerOf(chosen[0] as Manifest).ports.map((port) => port.name);
      for (const { targetPort } of kind === 'Service' ? spec.ports : []) expect(offered).toContain(targetPort);
    }
    for (const pod of pods(all)) {
      const { labels } = pod.spec.template.metadata;
      expect(contains(labels, pod.spec.selector.matchLabels)).toBe(true);
      expect(named(all, 'ServiceAccount', pod.spec.template.spec.serviceAccountName)).toBeDefined();
      const container = containerOf(pod);
      const volumes = [
        ...pod.spec.template.spec.volumes.map((one) => one.name),
        ...(pod.spec.volumeClaimTemplates ?? []).map((one) => one.metadata.name),
      ];
      expect([pod.metadata.name, container.volumeMounts.map((mount) => mount.name).sort()]).toEqual([pod.metadata.name, volumes.sort()]);
      for (const probe of PROBES) expect(container.ports.map((port) => port.name)).toContain(container[probe].httpGet.port);
      expect(existsSync(join(repositoryRoot, container.args[0].replace('/dist/', '/src/').replace(/\.js$/, '.ts')))).toBe(true);
    }
    for (const { spec } of all.filter(({ kind }) => kind === 'Ingress')) {
      for (const { backend } of spec.rules.flatMap((rule) => rule.http.paths)) {
        const { ports } = (named(all, 'Service', backend.service.name) as Manifest).spec;
        expect(ports.map((port) => port.name)).toContain(backend.service.port.name);
      }
    }
  });

  test('each process takes the variables that it is told, and finds the files they name', () => {
    for (const pod of pods(of(name))) {
      const container = containerOf(pod);
      const [component = ''] = [pod.spec.template.metadata.labels['app.kubernetes.io/component']];
      const told = environmentOf(container, SECRETS);
      expect(Object.keys(told).length).toBe(container.env.filter((one) => one.name.startsWith('MILLRACE_')).length);
      const config = loadConfig(CONFIGS[component], told);
      expect(container.ports.find((port) => port.name === 'http')?.containerPort).toBe(config.port);
      const { MILLRACE_PATH_PREFIX: prefix, ...others } = told;
      expect(prefix).toBe((values as { pathPrefix?: string }).pathPrefix);
      for (const file of Object.values(others).filter((value) => value.startsWith('/'))) {
        expect(container.volumeMounts.some(({ mountPath }) => file.startsWith(`${mountPath}/`))).toBe(true);
      }
      const services = Object.values(told).filter((value) => /^http:\/\/mill-millrace-\w+:8080$/.test(value));
      for (const url of services) expect(named(of(name), 'Service', new URL(url).hostname)?.spec.ports[0]?.port).toBe(8080);
      if (component === 'router') expect(services.length).toBe(5);
    }
  });

  test('pods end in their time, run as nobody in particular, and hear of no services', () => {
    for (const pod of pods(of(name))) {
      const { spec } = pod.spec.template;
      const container = containerOf(pod);
      const told = environmentOf(container);
      const seconds = ['MILLRACE_DRAIN', 'MILLRACE_SHUTDOWN_DEADLINE'].map((variable) => parseInt(told[variable] as string, 10));
      const least = container.lifecycle.preStop.sleep.seconds + (seconds[0] as number) + (seconds[1] as number) + 5;
      expect(spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(least);
      expect(spec).toMatchObject({ enableServiceLinks: false, securityContext: { runAsNonRoot: true } });
      expect(container).toMatchObject({ securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true } });
    }
  });
});

describe('the chart', () => {
  test('scales by the policy that is simulated', () => {
    const { spec: hpa } = named(of('services apart, scaled by an HPA'), 'HorizontalPodAutoscaler', 'mill-millrace-inference') as Manifest;
    const { spec: keda } = named(of('services apart, with all there is'), 'ScaledObject', 'mill-millrace-inference') as Manifest;
    const plain = (file: string): Manifest =>
      documentsOf(readFileSync(join(repositoryRoot, 'deploy/kubernetes/inference', file), 'utf8'))[0] as Manifest;
    expect(hpa).toEqual({
      ...plain('hpa.yaml').spec,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'mill-millrace-inference' },
    });
    expect(keda.triggers.map(({ name, metadata }) => [name, metadata.threshold])).toEqual(
      plain('keda.yaml').spec.triggers.map(({ name, metadata }) => [name, metadata.threshold]),
    );
    expect(keda.triggers.map(({ metadata }) => metadata.query)).toEqual(
      plain('keda.yaml').spec.triggers.map(({ metadata }) =>
        metadata.query.replace('"default"', '"ml"').replace('millrace-inference-', 'mill-millrace-inference-'),
      ),
    );
    expect(keda).toMatchObject({
      minReplicaCount: POLICY.minReplicas,
      maxReplicaCount: POLICY.maxReplicas,
      pollingInterval: POLICY.keda.pollingSeconds,
    });
    expect(keda.scaleTargetRef).toMatchObject({ kind: 'StatefulSet' });
    // What the autoscaler sets, an upgrade must not.
    for (const name of ['services apart, scaled by an HPA', 'services apart, with all there is']) {
      const scaled = pods(of(name)).find(({ metadata }) => metadata.name === 'mill-millrace-inference') as Manifest;
      expect(Object.keys(scaled.spec)).not.toContain('replicas');
    }
  });

  test('secrets are referred to and never written', () => {
    const text = JSON.stringify(of('services apart, with all there is'));
    for (const secret of ['keys', 'kafka-user', 'redis', 'clickhouse', 's3', 'sealing'])
      expect(text).toContain(`"secretKeyRef":{"name":"${secret}"`);
    expect(text).not.toContain('"kind":"Secret"');
  });

  test.each([
    ['mode=distributed alone', { mode: 'distributed' }, /kafka\.brokers: .*host:port/],
    ['no online store', { ...STANDS_ON, redis: {} }, /redis\.url: .*redis\.existingSecret/],
    ['no offline store', { ...STANDS_ON, clickhouse: {} }, /clickhouse\.url: /],
    ['nowhere for files', { ...STANDS_ON, artifacts: {} }, /artifacts\.url: .*s3:/],
    ['a folder that is nowhere', { artifacts: { url: 'file:///artifacts' } }, /artifacts\.existingClaim: /],
    ['a claim that is mounted nowhere', { artifacts: { existingClaim: 'shared' } }, /artifacts\.url: /],
    ['stores for one process', { kafka: { brokers: 'kafka:9092' } }, /mode: .*mode=distributed/],
    ['more of one process', { autoscaling: { kind: 'hpa' } }, /autoscaling\.kind: /],
    ['a broker without its port', { ...STANDS_ON, kafka: { brokers: 'kafka' } }, /kafka\.brokers/],
    [
      'a user without a password',
      { ...STANDS_ON, kafka: { brokers: 'kafka:9092', sasl: { mechanism: 'plain' } } },
      /kafka\.sasl\.existingSecret/,
    ],
    ['half of a certificate', { ...STANDS_ON, kafka: { brokers: 'kafka:9092', tls: { certKey: 'tls.crt' } } }, /certKey and keyKey/],
    ['half of an issuer', { auth: { oidc: { issuer: 'https://id.example/' } } }, /auth\.oidc: .*jwksUrl/],
    ['a variable of the chart', { env: { MILLRACE_PORT: '9' } }, /env\.MILLRACE_PORT: /],
    [
      'one of a service',
      { services: { tracking: { env: { MILLRACE_KAFKA_TLS: 'true' } } } },
      /services\.tracking\.env\.MILLRACE_KAFKA_TLS/,
    ],
    ['a value that is misspelt', { services: { tracking: { replica: 3 } } }, /replica/],
    ['a mode that is none', { mode: 'cluster' }, /mode/],
  ])('refuses %s, and says what to do', async (_, values, message) => {
    await expect(template(values)).rejects.toThrow(message);
  });

  test('takes the values of docs/how-to/run-on-kubernetes.md, whose secret holds every key they name', async () => {
    const page = readFileSync(join(repositoryRoot, 'docs/how-to/run-on-kubernetes.md'), 'utf8');
    const blocks = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, block]) => parse(block as string) as { mode?: string });
    const apart = blocks.find(({ mode }) => mode === 'distributed') as object;
    expect(blocks.length).toBe(3);
    for (const block of blocks) await template('embedded' in block ? block : { ...apart, ...block });
    const made = [...page.matchAll(/--from-literal=([\w-]+)/g)].map(([, key]) => key);
    const asked = [...JSON.stringify(documentsOf(await template(apart))).matchAll(/"secretKeyRef":\{"name":"millrace","key":"([\w-]+)"/g)];
    expect([...new Set(asked.map(([, key]) => key))].sort()).toEqual([...made].sort());
  });

  test('its version of the platform is this one, and a pod can be told from which', () => {
    const { version } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as { version: string };
    const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { appVersion: string };
    expect(chart.appVersion).toBe(version);
    expect(pods(of('one process, as it is'))[0]?.spec.template.spec.containers[0]).toMatchObject({ image: `millrace:${version}` });
  });

  test.each([
    ['one process, as it is', {}, /logs .*grep mr_/],
    ['an admin’s key in a secret', { auth: { adminKey: { existingSecret: 'keys' } } }, /get secret keys .*admin-key/],
    ['nobody is asked', { auth: { mode: 'off' } }, /WARNING: auth\.mode is off/],
  ])('its notes tell who may call: %s', async (_, values, message) => {
    // Helm shows notes to who installs, which takes a cluster.
    const copy = join(directory.path, `notes-${files++}`);
    await cp(CHART, copy, { recursive: true });
    await rename(join(copy, 'templates', 'NOTES.txt'), join(copy, 'NOTES.txt'));
    await writeFile(
      join(copy, 'templates', 'notes.yaml'),
      'kind: Notes\nmetadata: { name: notes }\ntext: {{ tpl (.Files.Get "NOTES.txt") . | quote }}\n',
    );
    const notes = documentsOf(await template(values, copy)).find(({ kind }) => kind === 'Notes') as unknown as { text: string };
    expect(notes.text).toMatch(message);
    expect(notes.text).toContain('kubectl -n ml port-forward service/mill-millrace 8080:8080');
  });
});
