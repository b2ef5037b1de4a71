import { join, resolve } from 'node:path';
import { startProcess, type RunningProcess } from './start-process.js';
import { repositoryRoot } from './toolchain.js';

const LOADER = join(repositoryRoot, 'tools', 'run-sources.mjs');

/** Starts a TypeScript program of the repository (its file and arguments) as a process that can be killed; resolves when the address answers. */
export function startFromSources(
  name: string,
  [file, ...args]: readonly [string, ...string[]],
  readyUrl: string,
  env: Readonly<Record<string, string>>,
): Promise<RunningProcess> {
  return startProcess({
    name,
    command: process.execPath,
    args: ['--conditions=source', '--import', LOADER, resolve(repositoryRoot, file), ...args],
    env: { ...env, NODE_OPTIONS: '' },
    readyWhen: async () => (await fetch(readyUrl, { signal: AbortSignal.timeout(5_000) })).ok,
    readyTimeoutMs: 120_000,
  });
}
