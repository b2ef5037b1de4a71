import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

export interface ProcessOptions {
  /** Name in messages; the command when absent. */
  readonly name?: string;
  readonly command: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  /** Added to this process's environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The process is ready when a line of its output matches, or when the function answers true. Without it: as soon as it runs. */
  readonly readyWhen?: string | RegExp | ((process: RunningProcess) => boolean | Promise<boolean>);
  readonly readyTimeoutMs?: number;
  /** The program starts others and does not end them: it gets a process group of its own, and signals go to the whole group. */
  readonly withChildren?: boolean;
  /** Told each line of output as it comes. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<ProcessExit>;
  readonly running: boolean;
  /** The end of what it has written so far (stdout and stderr as they came). */
  output(): string;
  /** Sends the signal and does not wait. */
  kill(signal?: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL when it has not ended in time. Resolves when it has ended. */
  stop(graceMs?: number): Promise<ProcessExit>;
}

/** Output kept in memory per process; older text is let go. */
const KEPT_OUTPUT = 256 * 1024;

/** Thrown when a process ended, or stayed silent, before it was ready. Carries the end of its output. */
export class ProcessNotReady extends Error {
  override readonly name = 'ProcessNotReady';
  readonly output: string;
  constructor(message: string, output: string) {
    super(`${message}\n${output.slice(-4000)}`);
    this.output = output;
  }
}

/**
 * Starts a program and resolves when it is ready. The program does not outlive this process, even when this process is
 * killed with SIGKILL: on Linux the kernel is asked to see to it.
 */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const { name = options.command, args = [], readyWhen, readyTimeoutMs = 60_000 } = options;
  const [command, ...before] = diesWithParent(options.command);
  const child = spawn(command as string, [...before, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.withChildren ?? false,
  });
  const send = (signal: NodeJS.Signals): void => {
    if (!options.withChildren || child.pid === undefined) child.kill(signal);
    else signalGroup(child.pid, signal);
  };
  let output = '';
  let settled: ProcessExit | undefined;
  const lineListeners = new Set<(line: string) => void>();
  const exited = new Promise<ProcessExit>((resolve) => {
    // `close`, not `exit`: only then all output has been read.
    child.once('close', (code, signal) => resolve((settled = { code, signal })));
    child.once('error', (error) => {
      output += `${error.message}\n`;
      if (child.pid === undefined) resolve((settled = { code: 127, signal: null }));
    });
  });
  for (const stream of ['stdout', 'stderr'] as const) {
    const decoder = new StringDecoder('utf8');
    let rest = '';
    child[stream].on('data', (chunk: Buffer) => {
      const text = decoder.write(chunk);
      output = (output + text).slice(-KEPT_OUTPUT);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        options.onLine?.(line, stream);
        for (const listener of lineListeners) listener(line);
      }
    });
  }
  const stopNow = () => send('SIGKILL');
  process.once('exit', stopNow);
  void exited.then(() => process.removeListener('exit', stopNow));

  const running: RunningProcess = {
    pid: child.pid ?? -1,
    exited,
    get running() {
      return settled === undefined;
    },
    output: () => output,
    kill: (signal = 'SIGKILL') => send(signal),
    stop: async (graceMs = 10_000) => {
      send('SIGTERM');
      const late = setTimeout(() => send('SIGKILL'), graceMs);
      const exit = await exited;
      clearTimeout(late);
      return exit;
    },
    [Symbol.asyncDispose]: async () => void (await running.stop()),
  };

  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`${name} was not ready after ${readyTimeoutMs} ms`), readyTimeoutMs);
  });
  const gone = exited.then((exit) => `${name} ended with ${exit.signal ?? exit.code} before it was ready`);
  const ready = becomesReady(running, readyWhen, lineListeners);
  const failure = await Promise.race([ready, late, gone]);
  clearTimeout(timer);
  lineListeners.clear();
  if (failure === undefined) return running;
  send('SIGKILL');
  await exited;
  throw new ProcessNotReady(failure, output);
}

async function becomesReady(
  running: RunningProcess,
  readyWhen: ProcessOptions['readyWhen'],
  lines: Set<(line: string) => void>,
): Promise<undefined> {
  if (readyWhen === undefined) {
    // A program that cannot be started says so in the same turn of the event loop or the next.
    await new Promise((resolve) => setImmediate(resolve));
    if (running.running) return undefined;
    return new Promise(() => {});
  }
  if (typeof readyWhen === 'function') {
    while (running.running) {
      if (await Promise.resolve(readyWhen(running)).catch(() => false)) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    return new Promise(() => {});
  }
  await new Promise<void>((resolve) => {
    const matches = (line: string) => (typeof readyWhen === 'string' ? line.includes(readyWhen) : readyWhen.test(line));
    lines.add((line) => {
      if (matches(line)) resolve();
    });
  });
  return undefined;
}

/** A group that has ended already is no error. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));

/** Wrapped so that the kernel kills it when its parent dies. Without setpriv (not Linux) only an orderly exit takes it along. */
function diesWithParent(command: string): string[] {
  return process.platform === 'linux' && SETPRIV ? [SETPRIV, '--pdeathsig', 'KILL', '--', command] : [command];
}
