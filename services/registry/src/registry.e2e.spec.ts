import { artifactDigest } from '@millrace/artifact-store';
import { encodeDecision } from '@millrace/event-log';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { registryConfig, RegistryModule } from './index.js';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, each looked at by its test
  readonly body: any;
}

/** The version numbers of an answer, in its order. */
function versionsOf({ body }: Answer): string[] {
  return (body.model_versions as { version: string }[]).map((one) => one.version);
}

const RUN = 'a'.repeat(32);
const ROOT = `1/${RUN}/artifacts`;

describe('the registry service over MLflow’s REST API', () => {
  let directory: TempDir;
  let running: RunningService;
  let names = 0;

  async function call(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${running.url}/api/2.0/mlflow/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, body: await response.json() };
  }

  async function newModel(versions = 0): Promise<string> {
    const name = `model ${++names}`;
    await call('POST', 'registered-models/create', { name });
    for (let count = 0; count < versions; count++) {
      await call('POST', 'model-versions/create', { name, source: `mlflow-artifacts:/${ROOT}/model`, run_id: RUN });
    }
    return name;
  }

  const refusal = (code: string, message: RegExp | string = /./) => ({ error_code: code, message: expect.stringMatching(message) });
  const registered = (name: string) => call('GET', `registered-models/get?name=${encodeURIComponent(name)}`);
  const rows = (sql: string, parameters = {}) => running.host.offline.query<Record<string, unknown>>(sql, parameters);

  /** The decision another service took: a run and where its artifacts are. */
  async function aRunIsCreated(): Promise<void> {
    const topic = 'millrace.tracking.decisions';
    await running.host.topics.ensure({ name: topic, partitions: 4, retention: 'forever' });
    const data = { runId: RUN, experimentId: '1', name: 'r', userId: '', startTime: 1, artifactUri: `mlflow-artifacts:/${ROOT}`, tags: {} };
    const decision = {
      id: 'd',
      type: 'RunCreated',
      version: 1,
      subject: `run/${RUN}`,
      sequence: 1,
      commandId: 'c',
      actor: 'a',
      time: 1,
      data,
    };
    await running.host.log.append([encodeDecision(topic, 'tracking', decision)]);
  }

  beforeAll(async () => {
    directory = await tempDir('registry');
    running = await bootstrap(
      RegistryModule,
      loadConfig([registryConfig], {
        MILLRACE_DATA_DIR: directory.path,
        MILLRACE_PORT: '0',
        MILLRACE_CLICKHOUSE_PORT: '0',
        MILLRACE_LOG_LEVEL: 'error',
      }),
    );
    await running.host.artifacts.put(`${ROOT}/model/MLmodel`, Buffer.from('flavors: {}'));
    await running.host.artifacts.put(`${ROOT}/model/data/model.onnx`, Buffer.from('onnx'));
    await aRunIsCreated();
  }, 60_000);

  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  test.each([
    ['POST', 'registered-models/create', {}, 400, 'INVALID_PARAMETER_VALUE', 'name cannot be empty'],
    ...['a/b', 'a:b', '.', '..', '..a', ' '].flatMap((name) => [
      ['POST', 'registered-models/create', { name }, 400, 'INVALID_PARAMETER_VALUE', 'Invalid model name|cannot be empty'] as const,
      ['POST', 'registered-models/rename', { name: 'x', new_name: name }, 400, 'INVALID_PARAMETER_VALUE', 'Invalid model|empty'] as const,
    ]),
    ['GET', 'registered-models/get?name=none', undefined, 404, 'RESOURCE_DOES_NOT_EXIST', 'name=none not found'],
    ['POST', 'model-versions/create', { name: 'none', source: 's3://b/m' }, 404, 'RESOURCE_DOES_NOT_EXIST', 'name=none not found'],
    ['GET', 'model-versions/get?name=none&version=x', undefined, 400, 'INVALID_PARAMETER_VALUE', 'must be an integer'],
    ['GET', 'model-versions/get?name=none&version=1', undefined, 404, 'RESOURCE_DOES_NOT_EXIST', 'name=none, version=1'],
    ['GET', 'registered-models/search?max_results=1001', undefined, 400, 'INVALID_PARAMETER_VALUE', 'at most 1000'],
    ['GET', "registered-models/search?filter=alias = 'x'", undefined, 400, 'INVALID_PARAMETER_VALUE', 'Invalid attribute name'],
    ['GET', "model-versions/search?filter=current_stage = 'None'", undefined, 400, 'INVALID_PARAMETER_VALUE', 'Invalid attribute name'],
    ['GET', 'model-versions/search?order_by=color', undefined, 400, 'INVALID_PARAMETER_VALUE', 'Invalid order by key'],
  ] as const)('%s %s %j is refused', async (method, path, body, status, code, message) => {
    const answer = await call(method, path, body);
    expect([answer.status, answer.body]).toEqual([status, refusal(code, message)]);
  });

  test.each(['/etc/passwd', 'file:///etc/passwd', 'relative/path', 'mlflow-artifacts:/1/../2', 'mlflow-artifacts:/1/%2e%2e/2'])(
    'a source %s is refused',
    async (source) => {
      const name = await newModel();
      const answer = await call('POST', 'model-versions/create', { name, source });
      expect([answer.status, answer.body]).toEqual([400, refusal('INVALID_PARAMETER_VALUE', 'Invalid model version source')]);
    },
  );

  test('a version carries the path and the digest of its artifact, by whichever URI it was named', async () => {
    const name = await newModel(1);
    const expected = { artifactPath: `${ROOT}/model`, digest: (await artifactDigest(running.host.artifacts, `${ROOT}/model`))?.sha256 };
    await call('POST', 'registered-models/alias', { name, alias: 'champion', version: '1' });
    const sources = [`runs:/${RUN}/model`, `models:/${name}/1`, `models:/${name}@champion`, `mlflow-artifacts://host:1/${ROOT}/model`];
    for (const source of sources) expect((await call('POST', 'model-versions/create', { name, source })).status).toBe(200);
    for (const source of ['s3://bucket/model', 'runs:/unknown/model', `models:/${name}/99`]) {
      expect((await call('POST', 'model-versions/create', { name, source })).status).toBe(200);
    }
    const { body } = await registered(name);
    expect(body.registered_model.latest_versions).toMatchObject([{ version: '8', source: `models:/${name}/99` }]);
    const events = await decisionsOf(name);
    expect(events.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => expect.objectContaining(expected)));
    expect(events.slice(5)).toEqual(Array.from({ length: 3 }, () => expect.objectContaining({ artifactPath: null, digest: null })));
  });

  test('stages: any case, archiving only where one is meant to be alone', async () => {
    const name = await newModel(3);
    const move = (version: string, stage: string, archive_existing_versions = false) =>
      call('POST', 'model-versions/transition-stage', { name, version, stage, archive_existing_versions });
    expect((await move('1', 'production')).body.model_version.current_stage).toBe('Production');
    expect((await move('2', 'PRODUCTION', true)).body.model_version.current_stage).toBe('Production');
    expect((await move('1', 'sideways')).body).toEqual(refusal('INVALID_PARAMETER_VALUE', 'Invalid Model Version stage'));
    expect((await move('1', 'Archived', true)).body).toEqual(refusal('INVALID_PARAMETER_VALUE', 'not an Active stage'));
    expect((await move('9', 'Staging')).body).toEqual(refusal('RESOURCE_DOES_NOT_EXIST', `name=${name}, version=9`));
    const latest = await call('POST', 'registered-models/get-latest-versions', { name, stages: ['production', 'none', 'archived'] });
    expect(versionsOf(latest).sort()).toEqual(['1', '2', '3']);
  });

  test('aliases: reserved names, a missing one, a version that goes', async () => {
    const name = await newModel(2);
    const assign = (alias: string, version = '1') => call('POST', 'registered-models/alias', { name, alias, version });
    for (const alias of ['latest', 'Latest', 'v1', 'V22', 'a b', 'a/b', '', 'x'.repeat(256)]) {
      expect([alias, (await assign(alias)).body]).toEqual([alias, refusal('INVALID_PARAMETER_VALUE')]);
    }
    expect((await assign('champion', '9')).status).toBe(404);
    expect((await assign('champion')).status).toBe(200);
    expect((await assign('Champion', '2')).status).toBe(200);
    const get = (alias: string) => call('GET', `registered-models/alias?name=${encodeURIComponent(name)}&alias=${alias}`);
    expect((await get('champion')).body.model_version.version).toBe('1');
    expect([(await get('none')).status, (await get('none')).body]).toEqual([
      400,
      refusal('INVALID_PARAMETER_VALUE', 'alias none not found'),
    ]);
    await call('DELETE', 'model-versions/delete', { name, version: '1' });
    expect((await get('champion')).status).toBe(400);
    expect((await registered(name)).body.registered_model.aliases).toEqual([{ alias: 'Champion', version: '2' }]);
    expect((await call('DELETE', 'registered-models/alias', { name, alias: 'champion' })).status).toBe(200);
  });

  test('latest, in any case, is the alias of the newest version', async () => {
    const name = await newModel(3);
    const get = (alias: string) => call('GET', `registered-models/alias?name=${encodeURIComponent(name)}&alias=${alias}`);
    await call('POST', 'model-versions/transition-stage', { name, version: '1', stage: 'Production' });
    expect((await get('latest')).body.model_version.version).toBe('3');
    await call('DELETE', 'model-versions/delete', { name, version: '3' });
    expect((await get('LATEST')).body.model_version.version).toBe('2');
    for (const version of ['1', '2']) await call('DELETE', 'model-versions/delete', { name, version });
    const none = await get('latest');
    expect([none.status, none.body]).toEqual([404, refusal('RESOURCE_DOES_NOT_EXIST', `Latest version not found for model ${name}.`)]);
  });

  test('prompts are found by who asks for them, and by nobody else', async () => {
    const name = await newModel(1);
    const tags = [{ key: 'mlflow.prompt.is_prompt', value: 'true' }];
    await call('POST', 'registered-models/create', { name: `${name} prompt`, tags });
    await call('POST', 'model-versions/create', { name: `${name} prompt`, source: 'dummy-source', tags });
    const search = async (kind: string, filter: string) => {
      const { body } = await call('GET', `${kind}/search?${new URLSearchParams({ filter }).toString()}`);
      return ((body.model_versions ?? body.registered_models) as { name: string }[]).map((one) => one.name);
    };
    for (const kind of ['registered-models', 'model-versions']) {
      expect(await search(kind, `name LIKE '${name}%'`)).toEqual([name]);
      expect(await search(kind, `name LIKE '${name}%' AND tags.\`mlflow.prompt.is_prompt\` != 'true'`)).toEqual([name]);
      expect(await search(kind, `name LIKE '${name}%' AND tags.\`mlflow.prompt.is_prompt\` = 'true'`)).toEqual([`${name} prompt`]);
    }
  });

  test('a model of another server keeps a name that could not be given here', async () => {
    const model = { name: 'team/model:a', origin: 'http://other', creation_timestamp: 1 };
    expect(await call('POST', 'registered-models/import', model)).toMatchObject({ status: 200 });
    expect((await registered('team/model:a')).body.registered_model.name).toBe('team/model:a');
  });

  test('a renamed model keeps its versions and history; its old name is free', async () => {
    const name = await newModel(2);
    expect((await call('POST', 'registered-models/rename', { name, new_name: `${name} renamed` })).status).toBe(200);
    expect((await registered(name)).status).toBe(404);
    const versions = await call('GET', `model-versions/search?filter=${encodeURIComponent(`name = '${name} renamed'`)}`);
    expect(versionsOf(versions)).toEqual(['2', '1']);
    expect((await call('POST', 'registered-models/create', { name })).status).toBe(200);
    const taken = await call('POST', 'registered-models/rename', { name, new_name: `${name} renamed` });
    expect([taken.status, taken.body]).toEqual([400, refusal('RESOURCE_ALREADY_EXISTS')]);
  });

  test('a deleted model leaves its name to another, which starts anew', async () => {
    const name = await newModel(2);
    await call('DELETE', 'registered-models/delete', { name });
    await call('POST', 'registered-models/create', { name });
    const created = await call('POST', 'model-versions/create', { name, source: 's3://bucket/model' });
    expect(created.body.model_version.version).toBe('1');
  });

  test('searches page by page', async () => {
    const name = await newModel(5);
    const seen: string[] = [];
    for (let token: string | undefined = ''; token !== undefined;) {
      const query = new URLSearchParams({
        filter: `name = '${name}' and version_number > 1`,
        max_results: '2',
        order_by: 'version_number ASC',
      });
      if (token !== '') query.set('page_token', token);
      const answer: Answer = await call('GET', `model-versions/search?${query.toString()}`);
      seen.push(...versionsOf(answer));
      token = answer.body.next_page_token as string | undefined;
    }
    expect(seen).toEqual(['2', '3', '4', '5']);
  });

  test('models and versions are found by a list of names, and of runs', async () => {
    const [one, two] = [await newModel(1), await newModel(1)];
    const found = async (path: string, filter: string) => {
      const { status, body } = await call('GET', `${path}/search?${new URLSearchParams({ filter }).toString()}`);
      expect([status, body]).toEqual([200, expect.anything()]);
      return ((body.registered_models ?? body.model_versions ?? []) as { name: string }[]).map(({ name }) => name).sort();
    };
    for (const path of ['registered-models', 'model-versions']) {
      expect(await found(path, `name IN ('${one}', '${two}')`)).toEqual([one, two].sort());
      expect(await found(path, `name NOT IN ('${one}') AND name IN ('${one}', '${two}')`)).toEqual([two]);
    }
    expect(await found('model-versions', `name = '${one}' AND run_id NOT IN ('${RUN}')`)).toEqual([]);
    const wrong = await call('GET', `model-versions/search?${new URLSearchParams({ filter: "source_path IN ('a')" }).toString()}`);
    expect(wrong).toMatchObject({ status: 400, body: { message: expect.stringMatching(/Invalid comparator/) } });
  });

  test('analysts read the versions as the API tells them', async () => {
    const name = await newModel(3);
    await call('POST', 'model-versions/transition-stage', { name, version: '1', stage: 'Production' });
    await call('POST', 'model-versions/transition-stage', { name, version: '2', stage: 'Production', archive_existing_versions: true });
    await call('POST', 'registered-models/alias', { name, alias: 'champion', version: '1' });
    await call('POST', 'registered-models/alias', { name, alias: 'champion', version: '2' });
    await call('POST', 'registered-models/alias', { name, alias: 'gone', version: '2' });
    await call('DELETE', 'registered-models/alias', { name, alias: 'gone' });
    await call('DELETE', 'model-versions/delete', { name, version: '3' });
    await call('POST', 'registered-models/rename', { name, new_name: `${name} b` });
    const sql = 'SELECT version, stage, aliases, run_id FROM millrace.model_versions WHERE name = {name:String} ORDER BY version';
    await waitFor(async () => (await rows(sql, { name: `${name} b` })).length === 2);
    expect(await rows(sql, { name: `${name} b` })).toEqual([
      { version: '1', stage: 'Archived', aliases: [], run_id: RUN },
      { version: '2', stage: 'Production', aliases: ['champion'], run_id: RUN },
    ]);
  });

  async function decisionsOf(name: string): Promise<unknown[]> {
    const sql = `SELECT data FROM millrace.decisions WHERE type = 'VersionRegistered' AND JSONExtractString(data, 'name') = {name:String} ORDER BY sequence`;
    await waitFor(async () => (await rows(sql, { name })).length === 8);
    return (await rows(sql, { name })).map((row) => JSON.parse(row['data'] as string) as unknown);
  }

  test('a file of a version is given by its path, and one that is not there is not found', async () => {
    const name = await newModel(1);
    const file = (path: string) => fetch(`${running.url}/api/v1/models/${encodeURIComponent(name)}/versions/1/files/${path}`);
    expect(await (await file('data/model.onnx')).text()).toBe('onnx');
    for (const [path, status, detail] of [
      ['onnx/model.onnx', 404, /version 1 of model \d+ has no file "onnx\/model.onnx"; GET .*\/versions\/1\/files lists its files/],
      ['data', 404, /"data" of version 1 of model \d+ is a directory/],
      ['..%2fmodel%2fMLmodel', 400, /is no path of a file/],
    ] as const) {
      const answer = await file(path);
      expect([answer.status, await answer.json()]).toEqual([status, expect.objectContaining({ detail: expect.stringMatching(detail) })]);
    }
  });
});
