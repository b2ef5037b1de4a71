import { startProcess, type RunningProcess } from '@millrace/testing';
import { fileURLToPath } from 'node:url';

const LOADER = fileURLToPath(new URL('../../../../tools/run-sources.mjs', import.meta.url));
/** The inference service's own program. */
export const INFERENCE_MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

/** Starts a program from its sources, as a process that can be killed; resolves when the address answers. */
export function startFromSources(
  name: string,
  script: readonly string[],
  readyUrl: string,
  env: Readonly<Record<string, string>>,
): Promise<RunningProcess> {
  return startProcess({
    name,
    command: process.execPath,
    args: ['--conditions=source', '--import', LOADER, ...script],
    env: { ...env, NODE_OPTIONS: '' },
    readyWhen: async () => (await fetch(readyUrl, { signal: AbortSignal.timeout(5_000) })).ok,
    readyTimeoutMs: 120_000,
  });
}
