import { STATUS_CODES, validateHeaderValue } from 'node:http';
import type { RawReply } from '../raw-reply.js';

/** Where a response goes. */
export interface ResponseSink {
  /** Head and body of the one response that is owed. */
  respond(head: string, body: string | Buffer, encoding: 'latin1' | 'utf8'): void;
  /** What the connection's head ends with: how long it lasts. */
  readonly lasting: string;
  destroy(): void;
}

/** The response of a request that was read plainly, with as much of `ServerResponse` as is used. */
export class PlainResponse implements RawReply {
  readonly #sink: ResponseSink;
  #listeners: (() => void)[] = [];
  #head: string | undefined;
  statusCode = 200;
  destroyed = false;
  writableFinished = false;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  get headersSent(): boolean {
    return this.#head !== undefined;
  }

  on(_event: 'close', listener: () => void): this {
    this.#listeners.push(listener);
    return this;
  }

  /** `headers`: names and values in turn. */
  writeHead(status: number, headers: readonly string[]): this {
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
    for (let at = 0; at < headers.length; at += 2) {
      const name = headers[at] as string;
      const value = headers[at + 1] as string;
      validateHeaderValue(name, value);
      head += `${name}: ${value}\r\n`;
    }
    this.statusCode = status;
    this.#head = `${head}Date: ${dateNow()}\r\n${this.#sink.lasting}\r\n`;
    return this;
  }

  end(body: string | Buffer, encoding: 'latin1' | 'utf8'): this {
    if (!this.destroyed) this.#sink.respond(this.#head as string, body, encoding);
    return this;
  }

  destroy(): this {
    this.#sink.destroy();
    return this;
  }

  /** It was sent, or can no longer be. */
  closed(isFinished: boolean): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.writableFinished = isFinished;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

let second = 0;
let date = '';

/** RFC 9110, section 5.6.7, made once a second. */
function dateNow(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    date = new Date(now * 1000).toUTCString();
  }
  return date;
}
