// Writes docs/reference/mlflow-compatibility.md: every endpoint of MLflow 2.9 and 3.17 as works, works differently, not offered. What is offered is
// what the built services register; how something differs and why something is missing is conformance/mlflow/compatibility/notes.json; the results
// of MLflow's own tests are rest-tests-<version>.json there, as ../shared/tools/mlflow-rest-tests/run.sh reports them. `npm run build` first.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArguments, writeGenerated } from './generated-file.mjs';
import { code, table } from './markdown.mjs';
import { root } from './setup.mjs';

const COMMAND = 'node tools/mlflow-compatibility.mjs';
const data = (name) => JSON.parse(readFileSync(join(root, 'conformance', 'mlflow', 'compatibility', name), 'utf8'));
const VERSIONS = ['2.9.2', '3.17.2'];

/** Routes of the platform as they are registered, `METHOD /path`, parameters as `*`. */
async function registeredRoutes() {
  const { bootstrap, loadConfig } = await import('../libs/service/dist/index.js');
  const { platformConfig } = await import('../services/platform/dist/config.js');
  const { PlatformModule } = await import('../services/platform/dist/platform.module.js');
  const directory = mkdtempSync(join(tmpdir(), 'millrace-routes-'));
  const ports = { MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' };
  const platform = await bootstrap(
    PlatformModule,
    loadConfig(platformConfig, { ...ports, MILLRACE_DATA_DIR: directory, MILLRACE_LOG_LEVEL: 'error' }),
    { service: 'platform' },
  );
  const routes = platform.routes.map(({ method, path }) => ({ method, path }));
  await platform.close();
  rmSync(directory, { recursive: true, force: true });
  return routes;
}

/** Whether a route takes an endpoint. A tree that only answers "there is no such endpoint" takes none. */
function takes(routes) {
  const fixed = routes
    .filter(({ path }) => !/^\/(ajax-)?api\/\d\.0\/mlflow\/\*$/.test(path))
    .map(({ method, path }) => `${method} ${shape(path)}`);
  const known = new Set(fixed);
  return (endpoint) => known.has(shape(endpoint));
}

function shape(path) {
  return path.replace(/\{[^}]+\}|:[A-Za-z_]\w*|\*/g, '*').replace(/([^ /])\/$/, '$1');
}

function reasonFor(path, notOffered) {
  const found = notOffered.find(([pattern]) => (pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path));
  return found?.[1];
}

function endpointSection(version, isTaken, notes) {
  const { endpoints } = data(`endpoints-${version}.json`);
  const counts = { works: 0, differs: 0, notOffered: 0 };
  const rows = endpoints.map((endpoint) => {
    const [method, path] = endpoint.split(' ');
    if (isTaken(endpoint)) {
      const how = notes.differs[endpoint];
      counts[how ? 'differs' : 'works']++;
      return [code(method), code(path), how ? 'works differently' : 'works', how ?? ''];
    }
    const why = reasonFor(path, notes.notOffered);
    if (why === undefined) throw new Error(`${endpoint} of MLflow ${version} is not offered, and notes.json does not say why`);
    counts.notOffered++;
    return [code(method), code(path), 'not offered', why];
  });
  const summary = `${endpoints.length} endpoints: ${counts.works} work, ${counts.differs} work differently, ${counts.notOffered} are not offered.`;
  return `## Endpoints of MLflow ${version}\n\n${summary}\n\n${table(['method', 'path', '', 'how, or why not'], rows)}`;
}

function testSection({ version, own, called }, notes) {
  const { counts, tests } = data(`rest-tests-${version}.json`);
  const outside = Object.entries(tests).filter(([, test]) => test.outcome !== 'passed' || !test.called_server);
  const rows = outside.map(([id, test]) => {
    const name = id.slice(id.lastIndexOf('/') + 1);
    const why = notes.tests[name];
    if (why === undefined) throw new Error(`${name} of ${version} did not pass, and notes.json does not say why`);
    return [code(name), test.called_server || test.outcome === 'skipped' ? test.outcome : 'sends nothing', why];
  });
  const total = Object.keys(tests).length;
  return `## MLflow ${version}'s own REST tests

${called}: ${counts.passed} of ${total} pass
(MLflow's own server with proxied artifacts: ${own}). The others, one by one:

${table(['test', '', 'why'], rows)}`;
}

const RUN = 'against an embedded platform with `MILLRACE_TESTING=1`, emptied before each test';
const TESTS = [
  { version: '2.9.2', own: 107, called: `Run by \`../shared/tools/mlflow-rest-tests/run.sh\` ${RUN}` },
  { version: '3.11.1', own: 192, called: `The same files of 3.11.1, with its client, run in the same way ${RUN}` },
];
const { check, folder } = readArguments();
const notes = data('notes.json');
const isTaken = takes(await registeredRoutes());
const page = `<!-- Written by ${COMMAND}; do not edit. -->

# What of MLflow's REST API is here

A client needs nothing but \`MLFLOW_TRACKING_URI\`. Paths below \`/api\` are also there below \`/ajax-api\`, as with MLflow; what an endpoint takes and answers is in MLflow's own
documentation. Where MLflow is merely broken (it answers 500, or shows its SQL) we do better, and it is listed here.

## Everywhere

${notes.general.map((line) => `- ${line}`).join('\n')}

${TESTS.map((suite) => testSection(suite, notes)).join('\n\n')}

${VERSIONS.map((version) => endpointSection(version, isTaken, notes)).join('\n\n')}
`;
await writeGenerated(join(folder, 'docs', 'reference', 'mlflow-compatibility.md'), page, { check, folder, command: COMMAND });
// chdb keeps threads of its own that outlive its connection.
process.exit(process.exitCode ?? 0);
