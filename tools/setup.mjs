// What every command does first, on a machine that has only Node (>= 20) and npm: install what the lock file says, once per
// lock file. Imports nothing that has to be installed.
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');

/** Environment in which `node` is the pinned Node and the installed tools are found by name. */
export function toolEnvironment(extra = {}) {
  return { ...process.env, NX_DAEMON: 'false', PATH: [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter), ...extra };
}

/** Runs a command to its end; rejects with its name and exit code. `onOutput` is told what it writes, which then goes nowhere else. */
export function run(
  command,
  args,
  { env = toolEnvironment(), cwd = root, onOutput, stdio = onOutput ? ['ignore', 'pipe', 'pipe'] : 'inherit' } = {},
) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio });
    if (onOutput) for (const stream of [child.stdout, child.stderr]) stream?.on('data', onOutput);
    child.on('error', reject);
    // With its output read to the end.
    child.on(onOutput ? 'close' : 'exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}`)),
    );
  });
}

export async function install() {
  // npm writes this file when an install is complete, so it is older than the lock file exactly when there is something to do.
  const installed = statSync(join(root, 'node_modules', '.package-lock.json'), { throwIfNoEntry: false });
  if (installed && installed.mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs) return;
  console.log('Installing dependencies (first run, or the lock file changed) ...');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { env: process.env });
}

export async function build() {
  console.log('Building ...');
  await run('nx', ['run-many', '-t', 'build', '--parallel=4', '--outputStyle=static'], { stdio: ['ignore', 'ignore', 'inherit'] });
}
