// `npm run services`: the five services as processes and a router that gives them one address, on the Kafka, Redis and ClickHouse named in
// MILLRACE_*. Ports: the router has MILLRACE_PORT (8080); the services have the ports below, or free ones with `--free-ports`.
//   npm run services -- [--free-ports] [--only tracking,registry] [--data-dir .millrace]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, install, root, toolEnvironment } from './setup.mjs';

/** Beside the router's 8080, gRPC's 8081 and ClickHouse's 8123. */
export const PORTS = { tracking: 8091, registry: 8092, features: 8093, inference: 8094, experimentation: 8095 };

const NEEDED = {
  MILLRACE_KAFKA_BROKERS: 'the log the services meet on, e.g. localhost:9092',
  MILLRACE_REDIS_URL: 'the online store they share, e.g. redis://localhost:6379',
  MILLRACE_CLICKHOUSE_URL: 'the offline store they share, e.g. http://localhost:8123',
};

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 35_000;

/** Starts a script of ours and resolves `listening` with its address once it tells that it listens. */
function start(name, script, env) {
  const child = spawn('node', ['--enable-source-maps', join(root, script)], {
    cwd: root,
    env: toolEnvironment(env),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const listening = new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${name} did not start within ${START_TIMEOUT_MS} ms`)), START_TIMEOUT_MS);
    child.once('exit', (code, signal) => {
      clearTimeout(late);
      reject(new Error(`${name} ended with ${signal ?? code} before it listened`));
    });
    child.on('message', ({ listening: url }) => {
      clearTimeout(late);
      resolve(url);
    });
  });
  return { name, child, listening };
}

async function stop({ child }) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const cut = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(cut);
}

async function main() {
  const { values } = parseArgs({
    options: { 'free-ports': { type: 'boolean', default: false }, only: { type: 'string' }, 'data-dir': { type: 'string' } },
  });
  const missing = Object.entries(NEEDED).filter(([name]) => !process.env[name]);
  if (missing.length > 0) {
    console.error(
      `Services that run apart share their stores; not set:\n${missing.map(([name, what]) => `  ${name}: ${what}`).join('\n')}`,
    );
    console.error('Without servers at hand, `npm start` runs everything in one process and `docker compose up` brings the servers along.');
    process.exit(2);
  }
  const names = values.only?.split(',') ?? Object.keys(PORTS);
  const unknown = names.filter((name) => !(name in PORTS));
  if (unknown.length > 0) {
    console.error(`no service is called ${unknown.join(', ')}; they are ${Object.keys(PORTS).join(', ')}`);
    process.exit(2);
  }
  await install();
  await build();

  const dataDir = values['data-dir'] ?? process.env.MILLRACE_DATA_DIR ?? '.millrace';
  // A folder of files has to be the same one for all of them.
  const artifacts = process.env.MILLRACE_ARTIFACTS || `file:${join(dataDir, 'artifacts')}`;
  const running = [];
  let stopping;
  const stopAll = (code) => {
    // The router first, so that nobody is sent to a service that is going.
    stopping ??= (async () => {
      for (const one of running.filter(({ name }) => name === 'router')) await stop(one);
      await Promise.all(running.map(stop));
      process.exit(code);
    })();
    return stopping;
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stopAll(0));
  const run = (name, script, env) => {
    const one = start(name, script, env);
    running.push(one);
    one.child.once('exit', (code, signal) => {
      if (stopping) return;
      console.error(`${name} ended with ${signal ?? code}; stopping the others`);
      void stopAll(1);
    });
    return one.listening;
  };

  try {
    const addresses = await Promise.all(
      names.map(async (name) => {
        const url = await run(name, `services/${name}/dist/main.js`, {
          MILLRACE_PORT: values['free-ports'] ? '0' : String(PORTS[name]),
          ...(values['free-ports'] ? { MILLRACE_GRPC_PORT: '0' } : {}),
          MILLRACE_DATA_DIR: join(dataDir, name),
          MILLRACE_ARTIFACTS: artifacts,
        });
        return [`MILLRACE_${name.toUpperCase()}_URL`, url];
      }),
    );
    if (values.only) return;
    const url = await run('router', 'services/platform/dist/router.js', Object.fromEntries(addresses));
    console.error(`Millrace is at ${url}`);
  } catch (error) {
    if (!stopping) console.error(error.message);
    await stopAll(1);
  }
}

await main();
