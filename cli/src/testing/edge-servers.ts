import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

export interface TestServer extends AsyncDisposable {
  readonly url: string;
}

/** Serves folders by the first part of the path, as any file server would. */
export function serveFolders(folders: Readonly<Record<string, string>>): Promise<TestServer> {
  return listening(
    createServer((request, response) => {
      void (async () => {
        const [, first = '', ...rest] = normalize(new URL(request.url ?? '/', 'http://here').pathname).split('/');
        const folder = folders[first];
        const path = join(folder ?? '/nowhere', ...rest.map((part) => part || 'index.html'));
        const found = await stat(path).catch(() => undefined);
        if (!found?.isFile()) {
          response.writeHead(404).end();
          return;
        }
        response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'cache-control': 'no-store' });
        createReadStream(path).pipe(response);
      })();
    }),
  );
}

export interface LossyProxy extends TestServer {
  /** How many answers to uploads are still to be lost: the platform gets those uploads, their senders hear nothing. */
  lose: number;
  /** Whether nothing comes through at all. */
  isDown: boolean;
  /** Uploads that reached the platform. */
  readonly uploads: number;
}

/** Stands between a device and the platform, and loses what it is told to. */
export async function lossyProxy(target: () => string): Promise<LossyProxy> {
  let uploads = 0;
  const state = { lose: 0, isDown: false };
  const forward = (incoming: IncomingMessage, response: ServerResponse): void => {
    if (state.isDown) {
      incoming.socket.destroy();
      return;
    }
    const { method, headers } = incoming;
    const onward = request(new URL(incoming.url ?? '/', target()), { method, headers }, (answer) => {
      if (method === 'POST') uploads++;
      if (method === 'POST' && state.lose > 0) {
        state.lose--;
        answer.resume();
        answer.once('end', () => incoming.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.once('error', () => incoming.socket.destroy());
    incoming.pipe(onward);
  };
  const server = await listening(createServer(forward));
  return Object.defineProperties(state as LossyProxy, {
    url: { value: server.url },
    uploads: { get: () => uploads },
    [Symbol.asyncDispose]: { value: () => server[Symbol.asyncDispose]() },
  });
}

function listening(server: Server): Promise<TestServer> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      const close = (): Promise<void> =>
        new Promise((done) => {
          server.close(() => done());
          server.closeAllConnections();
        });
      resolve({ url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: close });
    });
  });
}
