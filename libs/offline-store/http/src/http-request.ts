import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { ClickHouseError } from './clickhouse-error.js';
import { decompressBlocks } from './compressed-blocks.js';
import { decode } from './content-encoding.js';

/** A request with what its URL, headers and body say brought together. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly parameters: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Reads a request; its body is decoded, and bounded both before and after. */
export async function readRequest(request: IncomingMessage, maxBodyBytes: number): Promise<HttpRequest> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const raw = await readBody(request, maxBodyBytes);
  const plain = await decode(raw, request.headers['content-encoding'], maxBodyBytes);
  const isBlocks = isOn(url.searchParams.get('decompress')) && plain.length > 0;
  const form = formBody(request, plain);
  const parameters = form ? new URLSearchParams([...url.searchParams, ...form]) : url.searchParams;
  const body = form ? Buffer.alloc(0) : isBlocks ? await decompressBlocks(plain, maxBodyBytes) : plain;
  return { method: request.method ?? 'GET', path: url.pathname, parameters, headers: request.headers, body };
}

async function readBody(request: IncomingMessage, maxBodyBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge(request, maxBodyBytes);
  let size = 0;
  return buffer(
    (async function* () {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > maxBodyBytes) throw tooLarge(request, maxBodyBytes);
        yield chunk;
      }
    })(),
  );
}

function tooLarge(request: IncomingMessage, maxBodyBytes: number): ClickHouseError {
  request.resume();
  return new ClickHouseError(223, 'QUERY_IS_TOO_LARGE', `the body is over ${maxBodyBytes} bytes`);
}

/** `multipart/form-data` carries parameters (and files of external tables, which we do not take); clients use it for long parameters. */
function formBody(request: IncomingMessage, body: Buffer): [string, string][] | undefined {
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (!boundary) return undefined;
  const fields: [string, string][] = [];
  for (const part of body.toString('latin1').split(`--${boundary}`).slice(1, -1)) {
    const split = part.indexOf('\r\n\r\n');
    const name = /name="([^"]*)"/i.exec(part.slice(0, split))?.[1];
    if (split < 0 || name === undefined) continue;
    if (/filename="/i.test(part.slice(0, split))) throw new ClickHouseError(48, 'NOT_IMPLEMENTED', 'External tables are not supported');
    fields.push([name, Buffer.from(part.slice(split + 4, -2), 'latin1').toString('utf8')]);
  }
  return fields;
}

export function isOn(value: string | null | undefined): boolean {
  return value === '1' || value === 'true';
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Who asks: basic authentication, ClickHouse's headers, or parameters; `default` without a password when nobody is named. */
export function credentialsOf(request: HttpRequest): Credentials {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (basic) {
    const text = Buffer.from(basic, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    return colon < 0 ? { user: text, password: '' } : { user: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  const user = header(request, 'x-clickhouse-user') ?? request.parameters.get('user') ?? 'default';
  return { user, password: header(request, 'x-clickhouse-key') ?? request.parameters.get('password') ?? '' };
}

export function header(request: HttpRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
