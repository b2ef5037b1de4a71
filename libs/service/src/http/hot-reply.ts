import type { RawReply } from './raw-reply.js';

const JSON_TYPE = 'application/json; charset=utf-8';

/** The reply of a hot route: headers are gathered and leave with the body in one write. */
export class HotReply {
  readonly #headers: string[];
  #status = 200;
  #hasType = false;

  constructor(
    readonly raw: RawReply,
    requestId: string,
  ) {
    this.#headers = ['x-request-id', requestId];
  }

  code(status: number): this {
    this.#status = status;
    return this;
  }

  /** `name` in lower case; what was said before under it is taken back. */
  header(name: string, value: string): this {
    if (name === 'content-type') this.#hasType = true;
    const headers = this.#headers;
    for (let at = 0; at < headers.length; at += 2) {
      if (headers[at] !== name) continue;
      headers[at + 1] = value;
      return this;
    }
    headers.push(name, value);
    return this;
  }

  /** Text and bytes as they are, anything else as JSON. */
  send(payload: unknown): this {
    const { raw } = this;
    // Nobody is there any more.
    if (raw.destroyed || raw.headersSent) return this;
    const body = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
    if (!this.#hasType) this.header('content-type', JSON_TYPE);
    const length = Buffer.byteLength(body);
    this.header('content-length', String(length));
    raw.writeHead(this.#status, this.#headers);
    // As many bytes as letters: all are ASCII, and need not be looked at again.
    raw.end(body, length === body.length ? 'latin1' : 'utf8');
    return this;
  }
}
