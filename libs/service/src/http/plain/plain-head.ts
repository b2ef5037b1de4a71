import type { IncomingHttpHeaders } from 'node:http';
import { urlBelow } from '../path-prefix.js';

/** The head of a request that says everything in the plainest way. */
export interface PlainHead {
  /** Below the path prefix, where one is set. */
  readonly url: string;
  /** Names in lower case, each once. Shared by requests that begin alike. */
  readonly headers: IncomingHttpHeaders;
  /** Bytes of the body; at least one. */
  readonly contentLength: number;
  /** Bytes of the head, the empty line after it included. */
  readonly length: number;
}

const END = Buffer.from('\r\n\r\n');
const REQUEST_LINE = /POST (\/[\x21-\x7e]*) HTTP\/1\.1\r\n/y;
/** A token, and visible letters with blanks between them at most: RFC 9110, sections 5.1 and 5.5, without `obs-text`, `obs-fold` and blanks at the end. */
const FIELD = /([!#$%&'*+\-.^`|~\w]+):[ \t]*([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)\r\n/y;
const DIGITS = /^\d{1,9}$/;
/** What they ask for is done by Node: bodies in chunks, another protocol, an answer before the body. */
const NODES = ['transfer-encoding', 'upgrade', 'expect', 'trailer'] as const;

/**
 * Reads heads of POST requests of one connection. It takes what it is sure of and nothing else: whatever could be understood in two ways (a name twice, a blank before the
 * colon, a bare line feed, two lengths, a length beside chunks: RFC 9112, section 11.2) gives `undefined`, and is for Node's own parser to take or to refuse.
 */
export class PlainHeads {
  readonly #maxBytes: number;
  readonly #pathPrefix: string | undefined;
  /** The last head: clients say the same again and again. */
  #bytes = Buffer.alloc(0);
  #head: PlainHead | undefined;

  /** @param maxBytes of a head. */
  constructor(maxBytes: number, pathPrefix?: string) {
    this.#maxBytes = maxBytes;
    this.#pathPrefix = pathPrefix;
  }

  /** The head `chunk` begins with, if it has the whole of it. */
  read(chunk: Buffer): PlainHead | undefined {
    const known = this.#bytes.length;
    if (this.#head && chunk.length >= known && chunk.compare(this.#bytes, 0, known, 0, known) === 0) return this.#head;
    const end = chunk.indexOf(END);
    const length = end + END.length;
    if (end < 0 || length > this.#maxBytes) return undefined;
    const parsed = parse(chunk.toString('latin1', 0, length));
    if (!parsed) return undefined;
    // Here, where it is done once for requests that begin alike.
    const below = this.#pathPrefix === undefined ? undefined : urlBelow(this.#pathPrefix, parsed.url);
    const head = below === undefined ? parsed : { ...parsed, url: below };
    // Not a part of the chunk, which would stay with it.
    this.#bytes = Buffer.from(chunk.subarray(0, length));
    this.#head = head;
    return head;
  }
}

/** `text`: up to and with its empty line. */
function parse(text: string): PlainHead | undefined {
  REQUEST_LINE.lastIndex = 0;
  const url = REQUEST_LINE.exec(text)?.[1];
  if (url === undefined) return undefined;
  const headers = Object.create(null) as Record<string, string>;
  const last = text.length - 2;
  for (let at = REQUEST_LINE.lastIndex; at < last; at = FIELD.lastIndex) {
    FIELD.lastIndex = at;
    const field = FIELD.exec(text);
    if (!field) return undefined;
    const name = (field[1] as string).toLowerCase();
    if (name in headers) return undefined;
    headers[name] = field[2] as string;
  }
  const { host, connection, 'content-length': contentLength = '' } = headers;
  if (host === undefined || !DIGITS.test(contentLength) || Number(contentLength) === 0) return undefined;
  if (connection !== undefined && connection.toLowerCase() !== 'keep-alive') return undefined;
  if (NODES.some((name) => name in headers)) return undefined;
  return { url, headers: Object.freeze(headers), contentLength: Number(contentLength), length: text.length };
}
