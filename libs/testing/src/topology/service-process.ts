import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** The repository's root: topologies run the built code, `dist/`, as a user would. */
export const repositoryRoot = process.env['MILLRACE_TEST_ROOT'] ?? process.cwd();

const LAST_LINES = 40;

export interface ServiceProcessOptions {
  readonly name: string;
  /** Path of the script below the repository's root. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Asked until it answers 200. */
  readonly readyUrl: string;
  readonly readyWithinMs?: number;
}

/** One Node process of ours: started, awaited until ready, stopped or killed, always by pid. */
export class ServiceProcess {
  #child: ChildProcess | undefined;
  #output: string[] = [];

  constructor(readonly options: ServiceProcessOptions) {}

  get name(): string {
    return this.options.name;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The last lines it printed: what a failed test shows. */
  get output(): string {
    return this.#output.join('\n');
  }

  spawn(): void {
    const { script, args = [], env = {} } = this.options;
    const child = spawn(process.execPath, ['--enable-source-maps', join(repositoryRoot, script), ...args], {
      cwd: repositoryRoot,
      env: { ...baseEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer): void => {
      this.#output.push(...chunk.toString().split('\n').filter(Boolean));
      this.#output.splice(0, this.#output.length - LAST_LINES);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#child = child;
    LIVING.add(child);
    child.once('exit', () => LIVING.delete(child));
  }

  async ready(): Promise<void> {
    const { name, readyUrl, readyWithinMs = 90_000 } = this.options;
    const deadline = Date.now() + readyWithinMs;
    let last = 'no answer';
    while (Date.now() < deadline) {
      if (this.#child?.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`${name} ended with ${this.#child?.exitCode ?? this.#child?.signalCode} before it was ready:\n${this.output}`);
      }
      try {
        const response = await fetch(readyUrl, { signal: AbortSignal.timeout(5_000) });
        if (response.ok) return;
        last = `${response.status} ${(await response.text()).slice(0, 1000)}`;
      } catch (error) {
        last = error instanceof Error ? error.message : String(error);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${name} was not ready within ${readyWithinMs} ms (${last}):\n${this.output}`);
  }

  async start(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  /** `SIGKILL`: no handler runs, nothing is flushed. Resolves when the process is gone. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  stop(): Promise<void> {
    return this.kill('SIGTERM');
  }
}

const LIVING = new Set<ChildProcess>();
// A test run that dies must not leave services behind.
process.once('exit', () => {
  for (const child of LIVING) child.kill('SIGKILL');
});

/** Our own variables do not leak from the surrounding shell into a topology. */
function baseEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && (!name.startsWith('MILLRACE_') || name.startsWith('MILLRACE_TEST_')),
  );
  return { ...(Object.fromEntries(entries) as Record<string, string>), NODE_OPTIONS: '' };
}

/** A port that was free a moment ago. */
export function pickPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
