import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { HotRoutes } from '../hot-routes.js';
import { PlainConnection, type PlainConnectionOptions, type PlainTimes } from './plain-connection.js';

export interface PlainConnectionsOptions extends PlainTimes {
  readonly hotRoutes: Pick<HotRoutes, 'find' | 'begin'>;
  /** Of a head. */
  readonly maxHeaderBytes: number;
  /** Taken from the front of a request's path. */
  readonly pathPrefix?: string | undefined;
}

const SWEEP_MS = 1000;

/**
 * Stands before Node's own server, at its connections. Requests of hot routes that are written plainly are read and answered on the socket: Node's two streams and two dozen objects
 * for each request cost as much as all that a prediction needs. At the first bytes that are anything else the connection is given to Node, which
 * reads them as if they had just come, and keeps it.
 */
export class PlainConnections {
  readonly #options: Omit<PlainConnectionOptions, 'giveToNode' | 'onGone'>;
  readonly #open = new Set<PlainConnection>();
  #isClosing = false;
  #sweeping: NodeJS.Timeout | undefined;

  constructor({ hotRoutes, maxHeaderBytes, pathPrefix, headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs }: PlainConnectionsOptions) {
    const times = { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs };
    const timeout = keepAliveTimeoutMs > 0 ? `Keep-Alive: timeout=${Math.floor(keepAliveTimeoutMs / 1000)}\r\n` : '';
    this.#options = { hotRoutes, maxHeaderBytes, pathPrefix, times, keepAlive: `Connection: keep-alive\r\n${timeout}` };
  }

  /** Before `server` listens. */
  attach(server: Server): void {
    const nodes = server.listeners('connection') as ((socket: Socket) => void)[];
    const giveToNode = (socket: Socket): void => nodes.forEach((listener) => Reflect.apply(listener, server, [socket]));
    server.removeAllListeners('connection');
    server.on('connection', (socket) => {
      // Node ends what is open when it closes; what comes now is for that.
      if (this.#isClosing) giveToNode(socket);
      else this.#take(socket, giveToNode);
    });
  }

  /** Ends those on which nothing is owed, now, and every other with its answer. */
  close(): void {
    this.#isClosing = true;
    for (const connection of this.#open) connection.close();
  }

  #take(socket: Socket, giveToNode: (socket: Socket) => void): void {
    const connection = new PlainConnection(socket, { ...this.#options, giveToNode, onGone: this.#gone });
    this.#open.add(connection);
    // Looked at together: a timer for each request would cost more than it is worth.
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  readonly #gone = (connection: PlainConnection): void => {
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  };

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#open) connection.endIfLate(now);
  }
}
