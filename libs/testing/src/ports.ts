import { createServer } from 'node:net';

/** The system gives a port again as soon as it is closed, and who starts a dozen services asks two dozen times before the first is bound. */
const given = new Set<number>();

/** A TCP port of the loopback interface that was free a moment ago, and that nobody here was given before. Whoever binds it must be ready to find it taken. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await anyPort();
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

function anyPort(): Promise<number> {
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
