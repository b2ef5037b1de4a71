// `npm start`: installs, builds, runs the platform embedded, and plays the demo on an empty data directory.
//   npm start -- --empty           no demo
//   npm start -- --demo-and-exit   the demo on a temporary data directory; the exit code says whether every check held
//   npm start -- --flights N       how many flights the demo streams (default 300000; `all` for three million)
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, install, root, toolEnvironment } from './setup.mjs';

const { values } = parseArgs({
  options: { empty: { type: 'boolean' }, 'demo-and-exit': { type: 'boolean' }, flights: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help) {
  console.log('npm start [-- --empty | --demo-and-exit] [-- --flights N|all]');
  process.exit(0);
}

await install();
await build();

const passing = values['demo-and-exit'] === true;
const env = toolEnvironment(passing ? await passingSettings() : {});
// The demo has to know where to go, so a port that is free for the taking is taken here.
if (env.MILLRACE_PORT === '0') env.MILLRACE_PORT = String(await freePort());
if (env.MILLRACE_CLICKHOUSE_PORT === '0') env.MILLRACE_CLICKHOUSE_PORT = String(await freePort());
const dataDirectory = env.MILLRACE_DATA_DIR ?? join(root, '.millrace');
const isEmpty = !existsSync(dataDirectory) || readdirSync(dataDirectory).length === 0;
const url = `http://127.0.0.1:${env.MILLRACE_PORT ?? 8080}`;
const clickhouseUrl = `http://127.0.0.1:${env.MILLRACE_CLICKHOUSE_PORT ?? 8123}`;

const platform = start('services/platform/dist/main.js', []);
const ended = new Promise((resolve) => platform.on('exit', (code, signal) => resolve(signal ? 1 : (code ?? 1))));
// The platform shuts down by itself on these; this process only waits, so that its exit code is the platform's.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => platform.kill(signal));

if (!(await ready())) process.exit(await ended);
let demoCode = 0;
if (passing || (isEmpty && !values.empty)) {
  console.log('\nThe demo: flights of 2001 through the whole platform.');
  demoCode = await play();
}
if (passing) {
  platform.kill('SIGTERM');
  const code = await ended;
  rmSync(dataDirectory, { recursive: true, force: true });
  process.exit(demoCode || code);
}
console.log(`Millrace is up. HTTP ${url}   ClickHouse ${clickhouseUrl}   data ${dataDirectory}`);
console.log('Look next: npm run -s millrace -- status   |   README.md, "The first five minutes"   |   Ctrl-C stops it.');
process.exit(await ended);

function start(script, args) {
  return spawn('node', ['--enable-source-maps', join(root, script), ...args], { cwd: root, env, stdio: 'inherit' });
}

/** False when the platform has ended instead of becoming ready; it has said why. */
async function ready() {
  let gone = false;
  void ended.then(() => (gone = true));
  while (!gone) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    if (answer?.ok) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

/** In a process of its own, as a user's program would be; it talks to the platform over HTTP only. */
function play() {
  const args = ['--url', url, '--clickhouse-url', clickhouseUrl, ...(values.flights ? ['--flights', values.flights] : [])];
  const demo = start('examples/flights/dist/demo.js', args);
  return new Promise((resolve) => demo.on('exit', (code, signal) => resolve(signal ? 1 : (code ?? 1))));
}

/** A passing run leaves nothing behind and is in nobody's way. */
async function passingSettings() {
  return {
    MILLRACE_DATA_DIR: mkdtempSync(join(tmpdir(), 'millrace-demo-')),
    MILLRACE_PORT: process.env.MILLRACE_PORT ?? String(await freePort()),
    MILLRACE_GRPC_PORT: process.env.MILLRACE_GRPC_PORT ?? String(await freePort()),
    MILLRACE_CLICKHOUSE_PORT: process.env.MILLRACE_CLICKHOUSE_PORT ?? String(await freePort()),
  };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
