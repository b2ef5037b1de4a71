import { createServer } from 'node:net';

/**
 * Below what systems give to outgoing connections and to who asks for any port, and above what services are usually found at: a port that was free here a moment
 * ago is taken by none of these before it is bound.
 */
const FIRST = 10_240;
const PORTS_OF_A_PROCESS = 1_024;
const SHARES = 22;

/** Suites that run at the same time look in different places: workers of one run beside each other, and runs mostly apart. */
const share = (process.ppid * 7 + Number(process.env['JEST_WORKER_ID'] ?? process.pid)) % SHARES;
let next = Math.floor(Math.random() * PORTS_OF_A_PROCESS);

/** A TCP port of the loopback interface that was free a moment ago, and that nobody here was given before. Whoever binds it must be ready to find it taken. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < PORTS_OF_A_PROCESS; tried++) {
    const port = FIRST + share * PORTS_OF_A_PROCESS + (next++ % PORTS_OF_A_PROCESS);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of the ${PORTS_OF_A_PROCESS} ports from ${FIRST + share * PORTS_OF_A_PROCESS} on is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
