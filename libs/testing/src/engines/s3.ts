import { freePort } from '../ports.js';
import { ensureVenv } from '../python-venv.js';
import { startProcess, type RunningProcess } from '../start-process.js';

export interface S3Engine extends AsyncDisposable {
  /** Path-style endpoint; any credentials are right. */
  readonly endpoint: string;
  readonly process: RunningProcess;
  stop(): Promise<void>;
}

/** moto with its S3 part only: starts in a second and needs no container. The pins include what it imports to serve. */
const REQUIREMENTS = ['moto[s3]==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5', 'werkzeug==3.1.9', 'boto3==1.44.5', 'botocore==1.44.5'];

/** An S3-compatible server of its own on a free port; objects live in its memory. */
export async function startS3(options: { port?: number } = {}): Promise<S3Engine> {
  const venv = await ensureVenv('s3', REQUIREMENTS);
  const port = options.port ?? (await freePort());
  const endpoint = `http://127.0.0.1:${port}`;
  const process = await startProcess({
    name: 'moto_server',
    command: venv.bin('moto_server'),
    args: ['-H', '127.0.0.1', '-p', String(port)],
    readyWhen: async () => (await fetch(endpoint, { signal: AbortSignal.timeout(2000) })).ok,
  });
  const stop = async () => void (await process.stop());
  return { endpoint, process, stop, [Symbol.asyncDispose]: stop };
}
