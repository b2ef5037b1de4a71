import { Agent, request } from 'node:http';

/** Raw HTTP with kept connections: what a server does, not what a client library does. */
export class HttpClient {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #base: URL;

  constructor(url: string) {
    this.#base = new URL(url);
  }

  post(path: string, body: string | object): Promise<string> {
    return this.#call('POST', `/api/2.0/mlflow/${path}`, typeof body === 'string' ? body : JSON.stringify(body));
  }

  get(path: string): Promise<string> {
    return this.#call('GET', path);
  }

  close(): void {
    this.#agent.destroy();
  }

  #call(method: string, path: string, body?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const { hostname, port } = this.#base;
      const sent = request({ agent: this.#agent, method, hostname, port, path, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if ((response.statusCode ?? 500) < 300) resolve(text);
          else reject(new Error(`${method} ${path} answered ${response.statusCode}: ${text.slice(0, 300)}`));
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

export async function newRun(client: HttpClient): Promise<string> {
  const answer = JSON.parse(await client.post('runs/create', { experiment_id: '0', start_time: 1 })) as {
    run: { info: { run_id: string } };
  };
  return answer.run.info.run_id;
}

export async function lifecycle(client: HttpClient): Promise<void> {
  const run_id = await newRun(client);
  await client.post('runs/log-metric', { run_id, key: 'loss', value: 0.5, timestamp: 1, step: 1 });
  await client.post('runs/update', { run_id, status: 'FINISHED', end_time: 2 });
}

/** Things per second when `clients` each do the next when the one before is done, for so long. */
export async function rate(clients: number, seconds: number, each: (client: number) => Promise<number>): Promise<number> {
  const started = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      // Not `done += await …`: that reads the sum before the wait, and what others add meanwhile is lost.
      while (performance.now() - started < seconds * 1000) {
        const some = await each(client);
        done += some;
      }
    }),
  );
  return (done * 1000) / (performance.now() - started);
}

/** The median time of a call in milliseconds, after two that do not count. */
export async function p50(times: number, call: () => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let time = 0; time < times + 2; time++) {
    const started = performance.now();
    await call();
    took.push(performance.now() - started);
  }
  return took.slice(2).sort((a, b) => a - b)[Math.floor(times / 2)] as number;
}
