import { join } from 'node:path';
import { startProcess, type RunningProcess } from '../start-process.js';
import { repositoryRoot } from '../toolchain.js';

/** A bound on hangs: on a machine shared with others, and beside other suites that start a dozen services, three seconds of work have taken more than 90. */
const LONGEST_START_MS = 240_000;

export interface ServiceProcessOptions {
  readonly name: string;
  /** Path of the built script below the repository's root. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Asked until it answers 200. */
  readonly readyUrl: string;
  readonly readyTimeoutMs?: number;
}

/** One Node process of ours that can be started again after it was killed, with the same settings. */
export class ServiceProcess {
  #running: RunningProcess | undefined;

  constructor(readonly options: ServiceProcessOptions) {}

  get name(): string {
    return this.options.name;
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** The end of what it has written: what a failed test shows. */
  get output(): string {
    return this.#running?.output() ?? '';
  }

  /** Resolves when it is ready; on failure the error carries its last readiness answer and its output. */
  async start(): Promise<void> {
    const { name, script, args = [], env = {}, readyUrl, readyTimeoutMs = LONGEST_START_MS } = this.options;
    let answer = 'none';
    try {
      this.#running = await startProcess({
        name,
        command: process.execPath,
        args: ['--enable-source-maps', join(repositoryRoot, script), ...args],
        cwd: repositoryRoot,
        env: { ...withoutOurs(), ...env, NODE_OPTIONS: '' },
        readyTimeoutMs,
        readyWhen: async () => {
          const response = await fetch(readyUrl, { signal: AbortSignal.timeout(5_000) });
          answer = `${response.status} ${(await response.text()).slice(0, 2000)}`;
          return response.ok;
        },
      });
    } catch (error) {
      throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}\nlast readiness answer: ${answer}`, {
        cause: error,
      });
    }
  }

  /** SIGKILL: no handler runs, nothing is flushed. Resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#running?.kill('SIGKILL');
    await this.#running?.exited;
  }

  /** SIGTERM, as an orchestrator would. */
  async stop(): Promise<void> {
    await this.#running?.stop(30_000);
  }
}

/** Takes away our own variables of the surrounding shell, so that a topology has only what it is given. */
function withoutOurs(): Record<string, undefined> {
  const ours = Object.keys(process.env).filter((name) => name.startsWith('MILLRACE_'));
  return Object.fromEntries(ours.map((name) => [name, undefined]));
}
