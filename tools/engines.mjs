// Engines for several runs in a row (npm test, chaos, bench):
//   node tools/engines.mjs start --write-env FILE [--for-pid PID]   starts what MILLRACE_TEST_ENGINES asks (default all) and returns
//   node tools/engines.mjs stop --env FILE
// FILE holds {"pid", "env"}. A keeper process owns the engines; it stops them when told, or when the process PID has ended.
import { spawn } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as testing from './testing.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { 'write-env': { type: 'string' }, env: { type: 'string' }, 'for-pid': { type: 'string' } },
});
const file = values['write-env'] ?? values.env;
const commands = { start, keep, stop };
if (!(positionals[0] in commands) || !file) {
  console.error('node tools/engines.mjs start --write-env FILE [--for-pid PID] | stop --env FILE');
  process.exit(2);
}
await commands[positionals[0]]();

/** Starts the keeper and waits until it has written the file, or has failed. */
async function start() {
  rmSync(file, { force: true });
  const args = [fileURLToPath(import.meta.url), 'keep', '--write-env', file];
  if (values['for-pid']) args.push('--for-pid', values['for-pid']);
  const keeper = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const failure = await new Promise((resolve) => {
    keeper.once('message', () => resolve(undefined));
    keeper.once('exit', (code, signal) => resolve(`the engines did not start (${signal ?? code})`));
  });
  if (failure) {
    console.error(failure);
    process.exit(1);
  }
  keeper.disconnect();
  keeper.unref();
  console.log(JSON.stringify(JSON.parse(readFileSync(file, 'utf8')).env));
}

/** The keeper: lives as long as the engines are wanted. */
async function keep() {
  const engines = await testing.startEngines(testing.enginesAsked(process.env.MILLRACE_TEST_ENGINES), process.env);
  const end = async () => {
    await engines.stop();
    rmSync(file, { force: true });
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, end);
  // Written whole or not at all: a reader never sees half a file.
  writeFileSync(`${file}.new`, JSON.stringify({ pid: process.pid, env: engines.env }));
  renameSync(`${file}.new`, file);
  process.send('started');
  process.disconnect();
  const owner = Number(values['for-pid'] ?? 0);
  setInterval(() => {
    if (owner > 0 && !testing.isAlive(owner)) void end();
  }, 1000);
}

async function stop() {
  let pid;
  try {
    ({ pid } = JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return; // Nothing was started, or it has ended already.
  }
  if (testing.isAlive(pid)) process.kill(pid, 'SIGTERM');
  await testing.waitFor(() => !testing.isAlive(pid), { what: 'the engines to stop' });
}
