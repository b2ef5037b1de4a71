import { connect } from 'node:net';
import { freePort } from '../ports.js';
import { startProcess, type RunningProcess } from '../start-process.js';
import { tempDir } from '../temp-dir.js';
import { findCommand, need } from '../toolchain.js';

export interface RedisEngine extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly process: RunningProcess;
  stop(): Promise<void>;
}

/** A real redis-server of its own on a free port, without persistence. */
export async function startRedis(options: { port?: number; args?: readonly string[] } = {}): Promise<RedisEngine> {
  await need({ what: 'redis-server', isPresent: async () => findCommand('redis-server') !== undefined, packages: ['redis-server'] });
  const dir = await tempDir('redis');
  const port = options.port ?? (await freePort());
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir.path];
  const process = await startProcess({
    name: 'redis-server',
    command: 'redis-server',
    args: [...args, ...(options.args ?? [])],
    readyWhen: () => answersPing(port),
  });
  const stop = async () => {
    await process.stop();
    await dir.remove();
  };
  return { url: `redis://127.0.0.1:${port}`, port, process, stop, [Symbol.asyncDispose]: stop };
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data: Buffer) => settle(data.toString().startsWith('+PONG')));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
  });
}
