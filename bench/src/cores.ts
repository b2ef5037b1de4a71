import { runCommand } from '@millrace/testing';

/** A server that is measured has a core to itself; who asks it, and what else runs, have the other. */
export const CLIENT_CORE = '0';
const SERVER_CORE = '1';

/** A thread that ends while it is moved fails the command, though all others have been. */
const ATTEMPTS = 5;

/** Puts this process, and what it starts from now on, on the client's core. */
export async function moveToClientCore(): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await runCommand('taskset', ['-a', '-cp', CLIENT_CORE, String(process.pid)]);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

export function onServerCore(command: string, args: readonly string[]): { command: string; args: readonly string[] } {
  return { command: 'taskset', args: ['-c', SERVER_CORE, command, ...args] };
}
