import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root: the nearest folder above with `nx.json`. Engines and environments are cached in it, ignored by git. */
export const repositoryRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

function findRoot(from: string): string {
  if (existsSync(join(from, 'nx.json'))) return from;
  const above = dirname(from);
  if (above === from) throw new Error('the test engines run inside a checkout of the repository only: no nx.json above');
  return findRoot(above);
}

/** Runs a program to its end and returns what it wrote; a failure carries the output. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...options.env };
    const limits = { timeout: options.timeoutMs ?? 10 * 60_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(command, [...args], { ...limits, env, ...(options.cwd ? { cwd: options.cwd } : {}) }, (error, stdout, stderr) => {
      const output = stdout + stderr;
      if (error) reject(new Error(`${command} ${args.join(' ')}: ${error.message}\n${output.slice(-4000)}`, { cause: error }));
      else resolve(output);
    });
  });
}

/** Where a command is on the path, or `undefined`. */
export function findCommand(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder || '.', name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here; the next folder of the path may have it.
    }
  }
  return undefined;
}

/** What has to be on the machine, how to see that it is, and the Debian packages that bring it, the preferred first. */
export interface Requirement {
  readonly what: string;
  readonly isPresent: () => Promise<boolean>;
  readonly packages: readonly string[];
}

/** Checks a requirement; installs it when this is root on a Debian-like machine; otherwise says exactly what is missing. */
export async function need(requirement: Requirement): Promise<void> {
  if (await requirement.isPresent()) return;
  const missing = `${requirement.what} is missing. Install it (Debian: apt-get install ${requirement.packages.join(' or ')})`;
  if (process.getuid?.() !== 0 || !findCommand('apt-get')) throw new Error(`${missing}, or run as root so that it can be installed.`);
  const failures: string[] = [];
  for (const name of requirement.packages) {
    try {
      await aptInstall(name);
      if (await requirement.isPresent()) return;
      failures.push(`${name}: installed, but not what is needed`);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`${missing}; installing it failed:\n${failures.join('\n')}`);
}

let listsUpdated = false;

async function aptInstall(name: string): Promise<void> {
  // RUNLEVEL=1: the package's own service is not started. The lock timeout lets several installers take turns.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const options = ['-o', 'DPkg::Lock::Timeout=300', '-y', '-q', '--no-install-recommends'];
  if (!listsUpdated) await runCommand('apt-get', ['-o', 'DPkg::Lock::Timeout=300', '-q', 'update'], { env });
  listsUpdated = true;
  await runCommand('apt-get', ['install', ...options, name], { env });
}
