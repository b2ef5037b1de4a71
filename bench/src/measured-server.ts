import { startProcess } from '@millrace/testing';
import { onServerCore } from './cores.js';

/** A server that is measured beside others; it takes no time while it is paused. */
export interface MeasuredServer {
  readonly url: string;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export interface MeasuredServerOptions {
  /** In messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Where it was told to listen. */
  readonly port: number;
  /** Path that answers once it is ready. */
  readonly health: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts a server on the core for servers, and resolves when it is ready. */
export async function startMeasured({ name, command, args, port, health, ...where }: MeasuredServerOptions): Promise<MeasuredServer> {
  const url = `http://127.0.0.1:${port}`;
  const readyWhen = async (): Promise<boolean> =>
    fetch(`${url}${health}`).then(
      ({ ok }) => ok,
      () => false,
    );
  const running = await startProcess({
    ...{ name, ...onServerCore(command, args), ...where },
    ...{ withChildren: true, readyWhen, readyTimeoutMs: 180_000 },
  });
  const resume = (): void => running.kill('SIGCONT');
  return {
    url,
    pause: () => running.kill('SIGSTOP'),
    resume,
    stop: async () => {
      // A process that stands still does not hear that it is to end.
      resume();
      await running.stop(15_000);
    },
  };
}
