import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KINDS } from '@millrace/resources';
import {
  bootstrap,
  type BodySchema,
  createLogger,
  loadConfig,
  Metrics,
  OPENAPI_PATH,
  restReference,
  type RunningService,
} from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { platformConfig } from './config.js';
import { PlatformModule } from './platform.module.js';
import { Router } from './router/router.js';
import { SERVICES, serviceOf, type ServiceName } from './router/routes.js';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, unknown>>;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
}

interface Document {
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const TEMPLATE = (path: string): string => path.replace(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}');

describe('the description of our own REST', () => {
  let temp: TempDir;
  let platform: RunningService;
  let document: Document;

  beforeAll(async () => {
    temp = await tempDir('openapi');
    const environment = {
      MILLRACE_DATA_DIR: temp.path,
      MILLRACE_PORT: '0',
      MILLRACE_CLICKHOUSE_PORT: '0',
      MILLRACE_GRPC_PORT: '0',
      MILLRACE_LOG_LEVEL: 'error',
      MILLRACE_TESTING: '1',
    };
    platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { service: 'platform' });
    document = (await (await fetch(`${platform.url}${OPENAPI_PATH}`)).json()) as Document;
  }, 120_000);
  afterAll(async () => {
    await platform.close();
    await temp.remove();
  });

  const ours = () => platform.routes.filter(({ path }) => path.startsWith('/api/v1/'));
  const operations = (): [string, Operation][] =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method} ${path}`, operation]),
    );

  test('is OpenAPI 3.1', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(document) as unknown as Record<string, unknown>);
    expect(errors ?? []).toEqual([]);
    expect([valid, validator.version]).toEqual([true, '3.1']);
  });

  test('has every route under /api/v1 that is registered, and none else', () => {
    const told = Object.keys(Object.fromEntries(operations())).filter((name) => name.includes(' /api/v1/'));
    expect(ours().length).toBeGreaterThan(60);
    expect(told.sort()).toEqual(
      ours()
        .map(({ method, path }) => `${method.toLowerCase()} ${TEMPLATE(path)}`)
        .sort(),
    );
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/healthz', '/readyz', '/metrics', OPENAPI_PATH]));
  });

  test('each says what it does, in a sentence of its own', () => {
    expect(
      ours()
        .filter(({ doc }) => !doc)
        .map(({ method, path }) => `${method} ${path}`),
    ).toEqual([]);
    const summaries = operations().map(([, { summary }]) => summary);
    expect(summaries.filter((summary) => !/^[A-Z].{8,100}\.$/.test(summary))).toEqual([]);
    expect(new Set(summaries).size).toBe(summaries.length);
    const ids = operations().map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('each is filed under the service that the router sends it to', () => {
    const strays = ours().filter(({ path, doc }) => doc?.tag !== 'common' && doc?.tag !== serviceOf(TEMPLATE(path)));
    expect(strays.map(({ path, doc }) => [path, doc?.tag])).toEqual([]);
    expect(document.tags.map(({ name }) => name)).toEqual([...SERVICES, 'common'].sort());
  });

  test('says who may, what is asked for and what comes', () => {
    const at = (method: string, path: string): Operation => document.paths[path]?.[method] as Operation;
    expect(at('post', '/api/v1/models/{name}/promotions/{number}/approve')).toMatchObject({
      operationId: 'postModelsByNamePromotionsByNumberApprove',
      tags: ['registry'],
      security: [{ bearer: ['approver'] }, { basic: ['approver'] }],
      responses: { default: { $ref: '#/components/responses/Problem' } },
    });
    expect(at('get', '/healthz').security).toEqual([]);
    expect(at('get', '/api/v1/access/whoami').security).toEqual([{ bearer: [] }, { basic: [] }]);
    expect(at('get', '/api/v1/access/keys').security).toEqual([{ bearer: ['admin'] }, { basic: ['admin'] }]);
    const ofFile = at('get', '/api/v1/models/{name}/versions/{version}/files/{path}').parameters;
    expect(ofFile?.map(({ name, in: place, required }) => [name, place, required])).toEqual([
      ...['name', 'version', 'path'].map((name) => [name, 'path', true]),
      ['at-least', 'query', undefined],
    ]);
    expect(at('get', '/api/v1/audit').parameters?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['actor', 'pageToken', 'at-least']),
    );
    expect(at('post', '/api/v1/deployments/{deployment}/invocations').responses['default']).toEqual({
      $ref: '#/components/responses/MlflowError',
    });
    expect(Object.keys(at('post', '/api/v1/apply').requestBody?.content ?? {})).toEqual(['application/yaml', 'application/json']);
    expect(at('post', '/api/v1/batch-jobs/{id}/cancel').requestBody).toBeUndefined();
  });

  test('its bodies are what the routes take: their examples are, and a field that is not in one is refused by its name', async () => {
    const ajv = new Ajv2020({ strict: false, schemas: [{ $id: 'document', ...document }] });
    const asked = operations().flatMap(([name, { requestBody }]) => {
      const { schema } = (requestBody?.content['application/json'] ?? {}) as { schema?: BodySchema };
      const body = (schema as { items?: BodySchema } | undefined)?.items ?? schema;
      return body?.properties ? [{ name, body, isList: schema !== body }] : [];
    });
    const untold = operations().filter(
      ([name, { requestBody }]) =>
        requestBody !== undefined && 'application/json' in requestBody.content && !asked.some((one) => one.name === name),
    );
    // Resources have schemas of their own; events are of their source, and what is to be scored is MLflow's to say.
    expect(untold.map(([name]) => name).sort()).toEqual([
      'post /api/v1/apply',
      'post /api/v1/deployments/{deployment}/invocations',
      'post /api/v1/sources/{name}/events',
    ]);
    const send = async (name: string, body: unknown): Promise<[number, string]> => {
      const [, path] = name.split(' ') as [string, string];
      const response = await fetch(
        `${platform.url}${path.replaceAll('{number}', '1').replaceAll('{version}', '1').replaceAll(/[{}]/g, '')}`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        },
      );
      return [response.status, await response.text()];
    };
    for (const { name, body, isList } of asked) {
      const { examples = [], ...schema } = body as unknown as { examples?: object[] };
      expect([name, examples.length > 0, ajv.validateSchema(schema)]).toEqual([name, true, true]);
      for (const example of examples) {
        expect([name, ajv.validate(schema, example), ajv.errors ?? null]).toEqual([name, true, null]);
        const [status, text] = await send(name, isList ? [example] : example);
        // What it is about is not there, which is said once the body is read.
        expect([name, status === 400 || status >= 500 ? text : 'taken']).toEqual([name, 'taken']);
        if (body.additionalProperties) continue;
        const strange = { ...example, nonsense: 1 };
        expect([name, ajv.validate(schema, strange)]).toEqual([name, false]);
        expect([name, ...(await send(name, isList ? [strange] : strange))]).toEqual([name, 400, expect.stringContaining('nonsense')]);
      }
      for (const field of body.required) {
        const { [field]: _missing, ...rest } = examples[0] as Record<string, unknown>;
        expect([name, field, ajv.validate(schema, rest)]).toEqual([name, field, false]);
        const [status, text] = await send(name, isList ? [rest] : rest);
        expect([name, field, status === 404 ? 400 : status]).toEqual([name, field, 400]);
        expect([name, text]).toEqual([name, expect.stringMatching(new RegExp(`${field}|there is no|no experiment|no Experiment`))]);
      }
    }
  }, 120_000);

  test('its page is current: node tools/rest-reference.mjs writes it', () => {
    expect(readFileSync(join(process.cwd(), 'docs/reference/rest.md'), 'utf8')).toBe(restReference(platform.routes));
  });

  test('its schema of a resource takes what is applied, and its schema of a problem what is refused', async () => {
    const ajv = new Ajv2020({ strict: false, schemas: [{ $id: 'document', ...document }] });
    const isValid = (name: string, value: unknown) => ajv.validate({ $ref: `document#/components/schemas/${name}` }, value);
    const schemas = Object.keys(document.components.schemas);
    for (const name of schemas) expect([name, ajv.validateSchema(document.components.schemas[name] as object)]).toEqual([name, true]);
    expect(schemas).toEqual(expect.arrayContaining(KINDS.flatMap((kind) => [kind, `${kind}Spec`])));
    const entity = { apiVersion: 'millrace.dev/v1', kind: 'Entity', metadata: { name: 'card' }, spec: { joinKeys: { card: 'String' } } };
    const apply = (resource: object) => fetch(`${platform.url}/api/v1/apply`, { method: 'POST', body: JSON.stringify(resource) });
    expect([isValid('Resources', entity), isValid('Resources', [entity]), (await apply(entity)).status]).toEqual([true, true, 200]);
    const wrong = { ...entity, spec: {} };
    const refused = await apply(wrong);
    expect([isValid('Resources', wrong), refused.status, isValid('Problem', await refused.json())]).toEqual([false, 422, true]);
    const shown = await (await fetch(`${platform.url}/api/v1/resources/Entity/card`)).json();
    expect([isValid('AppliedResource', shown), isValid('AppliedResource', entity)]).toEqual([true, false]);
    expect(isValid('ResourceList', await (await fetch(`${platform.url}/api/v1/resources`)).json())).toBe(true);
  });

  test('a router answers with what its services do, and not with a part of it', async () => {
    const upstreams = Object.fromEntries(SERVICES.map((name) => [name, [platform.url]])) as unknown as Record<ServiceName, string[]>;
    const { config } = platform.host;
    const common = { ...config, logger: createLogger({ level: 'silent', service: 'router' }), metrics: new Metrics('router') };
    const router = new Router({ ...common, upstreams });
    const halved = new Router({ ...common, upstreams: { ...upstreams, features: ['http://127.0.0.1:9'] } });
    await Promise.all([router.listen(0, '127.0.0.1'), halved.listen(0, '127.0.0.1')]);
    try {
      expect(await (await fetch(`${router.url}${OPENAPI_PATH}`)).json()).toEqual(document);
      const answer = await fetch(`${halved.url}${OPENAPI_PATH}`);
      expect([answer.status, await answer.json()]).toEqual([
        502,
        expect.objectContaining({ code: 'MR_ROUTER_UNREACHABLE', detail: expect.stringContaining('features') }),
      ]);
    } finally {
      await Promise.all([router.close(), halved.close()]);
    }
  });
});
