// What every command does first, on a machine that has only Node (>= 20) and npm: install what the lock file says, once per
// lock file. Imports nothing that has to be installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const STAMP = join(root, 'node_modules', '.millrace-installed');

/** Environment in which `node` is the pinned Node and the installed tools are found by name. */
export function toolEnvironment(extra = {}) {
  return { ...process.env, NX_DAEMON: 'false', PATH: [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter), ...extra };
}

/** Runs a command to its end; rejects with its name and exit code. */
export function run(command, args, { env = toolEnvironment(), cwd = root, stdio = 'inherit' } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio });
    child.on('error', reject);
    child.on('exit', (code, signal) => (code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}`))));
  });
}

export async function install() {
  const lock = createHash('sha256').update(readFileSync(join(root, 'package-lock.json'))).digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) return;
  console.log('Installing dependencies (first run, or the lock file changed) ...');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { env: process.env });
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(STAMP, lock);
}

export async function build() {
  console.log('Building ...');
  await run('nx', ['run-many', '-t', 'build', '--parallel=4', '--outputStyle=static'], { stdio: ['ignore', 'ignore', 'inherit'] });
}
