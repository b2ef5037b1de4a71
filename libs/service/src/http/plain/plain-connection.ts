import type { Socket } from 'node:net';
import type { HotCall, HotRoutes } from '../hot-routes.js';
import { PlainHeads } from './plain-head.js';
import { PlainResponse, type ResponseSink } from './plain-response.js';

/** In milliseconds; 0: as long as it takes. */
export interface PlainTimes {
  /** From the connection to its first bytes. */
  readonly headersTimeoutMs: number;
  /** From a request's head to the end of its body. */
  readonly requestTimeoutMs: number;
  /** From an answer to the next request. */
  readonly keepAliveTimeoutMs: number;
}

export interface PlainConnectionOptions {
  readonly hotRoutes: Pick<HotRoutes, 'find' | 'begin'>;
  readonly maxHeaderBytes: number;
  readonly pathPrefix?: string | undefined;
  readonly times: PlainTimes;
  /** The fields of a head that say for how long a connection goes on. */
  readonly keepAlive: string;
  readonly giveToNode: (socket: Socket) => void;
  /** It has ended, or is Node's. */
  readonly onGone: (connection: PlainConnection) => void;
}

/** Beyond it the copies outweigh what is saved; Node hands such bodies on piece by piece. */
const MAX_BODY = 256 * 1024;
/** Bytes up to which a body is copied behind its head. */
const MAX_JOINED = 16 * 1024;
/** As Node has it: who was told of the time-out and asks at its last moment is still answered. */
const GRACE_MS = 1000;

/** One request after another, each read, answered and sent before the next is looked at. */
export class PlainConnection implements ResponseSink {
  readonly #socket: Socket;
  readonly #options: PlainConnectionOptions;
  readonly #heads: PlainHeads;
  /** Since when it waits for what it waits for. */
  #since = performance.now();
  #isNew = true;
  #isClosing = false;
  #call: HotCall | undefined;
  #response: PlainResponse | undefined;
  /** The body's pieces so far, while there is more to come. */
  #pieces: Buffer[] = [];
  #missing = 0;
  /** What came before the answer was sent. */
  #early: Buffer[] = [];

  constructor(socket: Socket, options: PlainConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#heads = new PlainHeads(options.maxHeaderBytes, options.pathPrefix);
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('error', this.#onError);
  }

  get lasting(): string {
    return this.#isClosing ? 'Connection: close\r\n' : this.#options.keepAlive;
  }

  respond(head: string, body: string | Buffer, encoding: 'latin1' | 'utf8'): void {
    const socket = this.#socket;
    if (typeof body === 'string') {
      socket.write(head + body, encoding, this.#onSent);
      return;
    }
    // Each byte is a letter of latin1, and one write is cheaper than two that are joined.
    if (body.length <= MAX_JOINED) {
      socket.write(head + body.toString('latin1'), 'latin1', this.#onSent);
      return;
    }
    socket.cork();
    socket.write(head, 'latin1');
    socket.write(body, this.#onSent);
    socket.uncork();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** No further request is answered here. */
  close(): void {
    this.#isClosing = true;
    if (!this.#response) this.#socket.destroySoon();
  }

  /** Ends it where the other side takes longer than it may. */
  endIfLate(now: number): void {
    const bound = this.#bound();
    if (bound === 0 || now - this.#since <= bound) return;
    if (this.#missing > 0) this.#refuseLate();
    else this.#socket.destroySoon();
  }

  /** How long it may wait for what it waits for; 0: as long as it takes. */
  #bound(): number {
    const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = this.#options.times;
    if (this.#missing > 0) return requestTimeoutMs;
    if (this.#response) return 0;
    if (this.#isNew) return headersTimeoutMs;
    return keepAliveTimeoutMs === 0 ? 0 : keepAliveTimeoutMs + GRACE_MS;
  }

  #refuseLate(): void {
    const socket = this.#socket;
    socket.write('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n');
    socket.destroySoon();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#missing > 0) this.#takeBody(chunk);
    else if (this.#response) this.#keep(chunk);
    else this.#begin(chunk);
  };

  #begin(chunk: Buffer): void {
    const { hotRoutes } = this.#options;
    const head = this.#heads.read(chunk);
    const found = head && head.contentLength <= MAX_BODY ? hotRoutes.find(head.url, head.headers) : undefined;
    if (!head || !found) {
      this.#leave([chunk]);
      return;
    }
    this.#isNew = false;
    this.#since = performance.now();
    const response = new PlainResponse(this);
    this.#response = response;
    this.#call = hotRoutes.begin(found, head.url, head.headers, response);
    this.#missing = head.contentLength;
    if (chunk.length > head.length) this.#takeBody(chunk.subarray(head.length));
  }

  #takeBody(chunk: Buffer): void {
    const taken = Math.min(this.#missing, chunk.length);
    this.#pieces.push(taken < chunk.length ? chunk.subarray(0, taken) : chunk);
    this.#missing -= taken;
    if (taken < chunk.length) this.#keep(chunk.subarray(taken));
    if (this.#missing > 0) return;
    const call = this.#call as HotCall;
    const pieces = this.#pieces;
    this.#call = undefined;
    this.#pieces = [];
    call.answer(pieces);
  }

  /** Nobody who waits for answers sends more; who does not is Node's, once the answer is out. */
  #keep(chunk: Buffer): void {
    this.#early.push(chunk);
    this.#socket.pause();
  }

  readonly #onSent = (error?: Error | null): void => {
    // The connection has gone, and `close` says so.
    if (error) return;
    const response = this.#response;
    this.#response = undefined;
    this.#since = performance.now();
    response?.closed(true);
    if (this.#isClosing) this.#socket.destroySoon();
    else if (this.#early.length > 0) this.#leave(this.#early);
  };

  /** To Node, with what it has not read. */
  #leave(unread: readonly Buffer[]): void {
    const socket = this.#socket;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose).off('error', this.#onError);
    this.#options.onGone(this);
    this.#options.giveToNode(socket);
    for (const chunk of unread) socket.emit('data', chunk);
    socket.resume();
  }

  /** As Node does it: who sends no more waits for no answer. */
  readonly #onEnd = (): void => {
    this.#socket.end();
  };

  readonly #onClose = (): void => {
    this.#options.onGone(this);
    this.#response?.closed(false);
  };

  readonly #onError = (): void => {
    // `close` follows.
  };
}
