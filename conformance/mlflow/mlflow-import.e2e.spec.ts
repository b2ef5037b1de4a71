import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  embeddedTopology,
  freePort,
  runCommand,
  startProcess,
  tempDir,
  waitFor,
  type RunningProcess,
  type TempDir,
  type Topology,
} from '@millrace/testing';
import { execFile, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { comparableModels, type ComparableModel } from './logged-models-compared.js';
import { CLIENT_VERSIONS, mlflowVenv } from './mlflow-sessions.js';

const CLI = join(import.meta.dirname, '../../cli/dist/main.js');
const RUNS = 24;
const ADMIN_KEY = 'an-admin-key-for-tests-only-0123456789';

interface Report {
  readonly whole: boolean;
  readonly differences: number;
  readonly found: Readonly<Record<string, number>>;
  readonly brought: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

describe.each(CLIENT_VERSIONS)('an import from MLflow %s', (version) => {
  let directory: TempDir;
  let platform: Topology;
  let server: RunningProcess;
  let from: string;
  let python: string;

  beforeAll(async () => {
    directory = await tempDir('mlflow-import');
    const venv = await mlflowVenv(version);
    python = venv.python;
    platform = await embeddedTopology(join(directory.path, 'millrace'), { MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY });
    // Beside MLflow's server, which takes long to start.
    const starting = platform.start();
    starting.catch(() => undefined);
    const port = await freePort();
    from = `http://127.0.0.1:${port}`;
    server = await startProcess({
      name: `mlflow-${version}`,
      command: venv.python,
      args: [
        ...['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1'],
        ...[
          '--backend-store-uri',
          `sqlite:///${directory.path}/mlflow.db`,
          '--artifacts-destination',
          `${directory.path}/mlflow-artifacts`,
        ],
      ],
      cwd: directory.path,
      env: { PATH: `${venv.path}/bin:${process.env['PATH'] ?? ''}`, MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' },
      withChildren: true,
      readyTimeoutMs: 420_000,
      readyWhen: async () => (await fetch(`${from}/health`, { signal: AbortSignal.timeout(5_000) })).ok,
    });
    await runCommand(venv.python, [join(import.meta.dirname, 'import_source.py'), from, String(RUNS)]);
    await starting;
  }, 900_000);

  afterAll(async () => {
    await platform.stop();
    await server.stop(30_000);
    await directory.remove();
  }, 180_000);

  const env = () => ({ MILLRACE_URL: platform.url, MILLRACE_API_KEY: ADMIN_KEY });

  async function bring(): Promise<Report> {
    const output = await runCommand(process.execPath, [CLI, 'import', 'mlflow', '--from', from, '--output', 'json'], {
      env: env(),
    });
    return JSON.parse(output.slice(output.indexOf('{\n'), output.lastIndexOf('\n}') + 2)) as Report;
  }

  /** Straight from either side, past the importer's own reading. */
  async function ask(base: string, path: string, body?: object): Promise<Record<string, never>> {
    const response = await fetch(`${base}/api/2.0/mlflow/${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    expect([path, response.status]).toEqual([path, 200]);
    // Python writes NaN where JSON has no number.
    return JSON.parse((await response.text()).replace(/: NaN/g, ': "NaN"')) as Record<string, never>;
  }

  async function change(path: string, body: object): Promise<void> {
    const response = await fetch(`${platform.url}/api/2.0/mlflow/${path}`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect([path, response.status]).toEqual([path, 200]);
  }

  interface Experiment {
    readonly experiment_id: string;
    readonly name: string;
    readonly lifecycle_stage: string;
    readonly creation_time: number;
  }
  interface Run {
    readonly info: Readonly<Record<string, unknown>>;
    readonly data: Readonly<Record<'metrics' | 'params' | 'tags', readonly { key: string; value: unknown }[]>>;
  }

  /** What both sides have to agree on, in one order. */
  async function everything(base: string) {
    const { experiments } = (await ask(base, 'experiments/search', { view_type: 'ALL', max_results: 100 })) as unknown as {
      experiments: Experiment[];
    };
    const ids = experiments.map(({ experiment_id }) => experiment_id);
    const names = new Map(experiments.map(({ experiment_id, name }) => [experiment_id, name]));
    const { runs } = (await ask(base, 'runs/search', { experiment_ids: ids, run_view_type: 'ALL', max_results: 1000 })) as unknown as {
      runs: Run[];
    };
    const sorted = (list: readonly { key: string; value: unknown }[] = []) =>
      [...list]
        .filter(({ key }) => key !== 'millrace.importedFrom')
        .map(({ key, value }) => `${key}=${String(value)}`)
        .sort();
    const { registered_models: models = [] } = (await ask(base, 'registered-models/search?max_results=100')) as unknown as {
      registered_models?: { name: string; creation_timestamp: number; description?: string; aliases?: object[] }[];
    };
    const { model_versions: versions = [] } = (await ask(base, 'model-versions/search?max_results=100')) as unknown as {
      model_versions?: Record<string, string | number | undefined>[];
    };
    return {
      experiments: experiments
        .map(({ name, lifecycle_stage, creation_time }) => [name, lifecycle_stage, name === 'Default' ? '' : creation_time].join(' '))
        .sort(),
      runs: runs
        .map(({ info, data }) => ({
          ...{ id: info['run_id'], name: info['run_name'], experiment: names.get(String(info['experiment_id'])), status: info['status'] },
          ...{ start: info['start_time'], end: info['end_time'], stage: info['lifecycle_stage'], user: info['user_id'] },
          ...{ params: sorted(data.params), tags: sorted(data.tags), metrics: sorted(data.metrics) },
        }))
        .sort((a, b) => String(a.id).localeCompare(String(b.id))),
      models: models.map(({ name, creation_timestamp, description = '' }) => [name, creation_timestamp, description].join(' ')).sort(),
      versions: versions
        .map((one) =>
          ['name', 'version', 'current_stage', 'creation_timestamp', 'last_updated_timestamp', 'run_id', 'description', 'user_id']
            .map((field) => String(one[field] ?? ''))
            .join(' '),
        )
        .sort(),
    };
  }

  test('is killed, goes on, brings everything once, and nothing the second time', async () => {
    const killed = spawn(process.execPath, [CLI, 'import', 'mlflow', '--from', from], {
      env: { ...process.env, ...env() },
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => killed.once('exit', resolve));
    await waitFor(
      async () => {
        const { runs = [] } = (await ask(platform.url, 'runs/search', {
          experiment_ids: ['0', '1', '2', '3'],
          run_view_type: 'ALL',
          max_results: 1000,
        })) as unknown as { runs?: unknown[] };
        return runs.length >= 3 || killed.exitCode !== null;
      },
      { timeoutMs: 120_000, intervalMs: 20 },
    );
    killed.kill('SIGKILL');
    await ended;

    const first = await bring();
    expect([first.problems, first.whole]).toEqual([[], true]);
    expect(first.found).toMatchObject({
      experiments: 4,
      runs: version === '2.9.2' ? RUNS : RUNS + 2,
      loggedModels: version === '2.9.2' ? 0 : 4,
      aliases: 2,
    });
    expect(first.found['points']).toBeGreaterThanOrEqual(RUNS * 53 + 2500);

    const second = await bring();
    expect([second.problems, second.whole]).toEqual([[], true]);
    expect(second.found).toEqual(first.found);
    expect(Object.values(second.brought).every((count) => count === 0)).toBe(true);

    const [there, here] = [await everything(from), await everything(platform.url)];
    expect(here).toEqual(there);
  }, 600_000);

  /** What is shown of a model's metrics here is bounded; of one that has more the import itself tells. */
  const bounded = (models: readonly ComparableModel[]) => models.map((one) => (one.name === 'many' ? { ...one, metrics: [] } : one));

  test('logged models keep their ids, files, measurements, runs and versions', async () => {
    if (version === '2.9.2') return;
    const [there, here] = await Promise.all([from, platform.url].map((base) => comparableModels((path, body) => ask(base, path, body))));
    expect(bounded(here ?? [])).toEqual(bounded(there ?? []));
    const echo = here?.find(({ name }) => name === 'echo') as ComparableModel;
    expect([echo.params, echo.metrics.length, echo.type]).toEqual([['depth=3'], 4, 'echoing']);
    expect(echo.tags).toEqual(expect.arrayContaining(['team=ops', expect.stringMatching(/^mlflow\.modelVersions=.*echo/)]));
    const points = await runCommand(
      process.execPath,
      [CLI, 'events', 'tail', 'millrace.tracking.model-metrics', '--from', 'beginning', '--output', 'json'],
      { env: env() },
    );
    const counts = new Map<string, number>();
    for (const line of points.split('\n').filter((one) => one.includes('ModelMetricsLogged'))) {
      const { data } = JSON.parse(line) as { data: { modelId: string; points: object[] } };
      counts.set(data.modelId, (counts.get(data.modelId) ?? 0) + data.points.length);
    }
    const many = here?.find(({ name }) => name === 'many') as ComparableModel;
    expect([counts.get(echo.id), counts.get(many.id)]).toEqual([4, 1500]);
    await runCommand(python, [join(import.meta.dirname, 'imported_models.py'), platform.url, echo.id, echo.run], {
      env: { MLFLOW_TRACKING_TOKEN: ADMIN_KEY },
    });
  }, 120_000);

  test('the champion is the version it was, and its files are digested here', async () => {
    const { model_version: version3 } = (await ask(platform.url, 'registered-models/alias?name=delay&alias=champion')) as unknown as {
      model_version: { version: string; source: string; current_stage: string };
    };
    expect(version3).toMatchObject({ version: '3', current_stage: 'Production' });
    expect(version3.source).toMatch(/^mlflow-artifacts:\/\d+\/[0-9a-f]{32}\/artifacts\/model$/);
    const decisions = await runCommand(
      process.execPath,
      [CLI, 'events', 'tail', 'millrace.registry.decisions', '--from', 'beginning', '--output', 'json'],
      { env: env() },
    );
    const registered = decisions
      .split('\n')
      .filter((line) => line.includes('VersionRegistered'))
      .map((line) => (JSON.parse(line) as { data: { digest: string | null; artifactPath: string | null } }).data);
    expect(registered.length).toBeGreaterThanOrEqual(3);
    for (const { digest } of registered) expect(digest).toMatch(/^[0-9a-f]{64}$/);
  });

  test('a second run follows what was changed there, leaves what was changed here, and says so', async () => {
    const { runs } = (await ask(platform.url, 'runs/search', { experiment_ids: ['0', '1', '2'], max_results: 1000 })) as unknown as {
      runs: Run[];
    };
    const idOf = (name: string) => runs.find(({ info }) => info['run_name'] === name)?.info['run_id'] as string;
    const both = idOf('run-12');
    await ask(platform.url, 'runs/update', { run_id: both, run_name: 'renamed on both sides, here' });
    await ask(platform.url, 'runs/set-tag', { run_id: both, key: 'mine', value: 'yes' });
    const modelsBefore = version === '2.9.2' ? [] : await comparableModels((path, body) => ask(platform.url, path, body));
    const echo = modelsBefore.find(({ name }) => name === 'echo')?.id;
    if (echo !== undefined) await change(`logged-models/${echo}/tags`, { tags: [{ key: 'mine', value: 'here' }] });
    await runCommand(python, [join(import.meta.dirname, 'import_changes.py'), from]);

    const changed = await bring();
    const differences = [
      `run ${both}: run_name is renamed on both sides, there there and renamed on both sides, here here; left`,
      `run ${both}: tag mlflow.runName differs; left`,
      'model empty model: it was brought from there and is not there any more; left',
      ...(echo === undefined ? [] : [`logged model ${echo}: tag mine differs; left`]),
    ].sort();
    const told = ({ notes }: Report) => notes.filter((note) => note.endsWith('; left')).sort();
    expect([changed.problems, changed.whole, told(changed), changed.differences]).toEqual([[], true, differences, differences.length]);
    const again = await bring();
    expect([again.problems, told(again)]).toEqual([[], differences]);
    expect(Object.values(again.brought).every((count) => count === 0)).toBe(true);

    if (echo !== undefined) {
      const [modelsThere = [], modelsHere = []] = await Promise.all(
        [from, platform.url].map((base) => comparableModels((path, body) => ask(base, path, body))),
      );
      const mine = (tags: readonly string[]) => tags.filter((tag) => tag !== 'mine=here' && tag !== 'mine=changed there');
      const but = (models: readonly ComparableModel[]) => bounded(models).map((one) => ({ ...one, tags: mine(one.tags) }));
      expect(but(modelsHere)).toEqual(but(modelsThere));
      expect(modelsHere.find(({ id }) => id === echo)?.tags).toEqual(expect.arrayContaining(['mine=here', 'team=changed there']));
    }

    // What was followed carries the time at which it was.
    const [there, here] = (await Promise.all([everything(from), everything(platform.url)])).map(({ experiments, runs: all, versions }) => ({
      experiments,
      runs: all.filter(({ id }) => id !== both),
      versions: versions.map((one) => one.replace(/ (\d{13}) \d{13} /, ' $1 ')),
    })) as [unknown, unknown];
    expect(here).toEqual(there);
    const { registered_model: delay } = (await ask(platform.url, 'registered-models/get?name=delay')) as unknown as {
      registered_model: { description: string; tags: object[]; aliases: { alias: string; version: string }[] };
    };
    expect(delay).toMatchObject({ description: 'later or not', tags: [{ key: 'mt', value: '2' }] });
    expect(delay.aliases.map(({ alias, version: one }) => `${alias} ${one}`).sort()).toEqual(['champion 4', 'new 3']);
    const { model_version: third } = (await ask(platform.url, 'model-versions/get?name=delay&version=3')) as unknown as {
      model_version: { tags: object[] };
    };
    expect(third.tags).toEqual([{ key: 'x', value: 'y' }]);
  }, 600_000);

  test('a governed alias is a problem of its own, and the rest is brought', async () => {
    const policy = join(directory.path, 'policy.yaml');
    await writeFile(
      policy,
      'apiVersion: millrace.dev/v1\nkind: Policy\nmetadata: {name: guard}\nspec: {aliases: [guarded], approvals: 1}\n',
    );
    await runCommand(process.execPath, [CLI, 'apply', '-f', policy], { env: env() });
    for (const alias of ['guarded', 'zeta']) await ask(from, 'registered-models/alias', { name: 'delay', alias, version: '3' });
    await ask(from, 'registered-models/create', { name: 'zzz' });
    // Not spawnSync: MLflow's server stands still when nobody reads what it says of its requests.
    const [status, stdout] = await new Promise<[number, string]>((resolve) => {
      const args = [CLI, 'import', 'mlflow', '--from', from, '--output', 'json'];
      execFile(process.execPath, args, { env: { ...process.env, ...env() } }, (error, out) => resolve([Number(error?.code ?? 0), out]));
    });
    const { problems, brought } = JSON.parse(stdout) as Report;
    expect([status, problems]).toEqual([1, [expect.stringMatching(/^model delay: alias guarded: .*governed by policy guard/)]]);
    expect(brought).toMatchObject({ models: 1, aliases: 1 });
  }, 600_000);

  test('who is no admin brings nothing', async () => {
    const made = await fetch(`${platform.url}/api/v1/access/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}` },
      body: JSON.stringify({ name: 'editor', role: 'editor' }),
    });
    const { key } = (await made.json()) as { key: string };
    const refused = await fetch(`${platform.url}/api/2.0/mlflow/experiments/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ name: 'x', experiment_id: '9', origin: 'x' }),
    });
    expect([refused.status, await refused.json()]).toEqual([403, expect.objectContaining({ error_code: 'PERMISSION_DENIED' })]);
  });
});
