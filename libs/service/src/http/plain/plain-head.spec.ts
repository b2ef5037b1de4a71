import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { Duplex } from 'node:stream';
import { PlainHeads } from './plain-head.js';

const PLAIN = 'POST /v2/models/m/infer HTTP/1.1\r\nHost: x:1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n';
const read = (text: string, maxBytes = 1000) => new PlainHeads(maxBytes).read(Buffer.from(text, 'latin1'));
const withField = (field: string): string => PLAIN.replace('\r\n\r\n', `\r\n${field}\r\n\r\n`);

test('reads a plain head, and leaves the body where it is', () => {
  expect(read(`${PLAIN}{}`)).toEqual({
    url: '/v2/models/m/infer',
    headers: { host: 'x:1', 'content-type': 'application/json', 'content-length': '2' },
    contentLength: 2,
    length: PLAIN.length,
  });
});

test.each([
  ['no blank after the colon', 'X-A:b', { 'x-a': 'b' }],
  ['blanks within', 'X-A: b \t c', { 'x-a': 'b \t c' }],
  ['colons within', 'X-A: b:c', { 'x-a': 'b:c' }],
  ['every sign of a name', "X!#$%&'*+-.^_`|~9: b", { "x!#$%&'*+-.^_`|~9": 'b' }],
  ['a name an object has', '__proto__: b', JSON.parse('{"__proto__":"b"}') as object],
  ['what keeps the connection', 'Connection: Keep-Alive', { connection: 'Keep-Alive' }],
])('takes a field with %s', (_what, field, headers) => {
  expect({ ...read(withField(field))?.headers }).toEqual({
    ...{ host: 'x:1', 'content-type': 'application/json', 'content-length': '2' },
    ...headers,
  });
});

test.each([
  ['another method', PLAIN.replace('POST', 'PUT')],
  ['another version', PLAIN.replace('1.1', '1.0')],
  ['a whole URL', PLAIN.replace('/v2', 'http://x/v2')],
  ['a blank in the URL', PLAIN.replace('/m/', '/m m/')],
  ['letters beyond ASCII in the URL', PLAIN.replace('/m/', '/\xe4/')],
  ['a line before it', `\r\n${PLAIN}`],
  ['no host', PLAIN.replace('Host: x:1\r\n', '')],
  ['no length', PLAIN.replace('Content-Length: 2\r\n', '')],
  ['a length of nothing', PLAIN.replace('Length: 2', 'Length: 0')],
  ['a length with a sign', PLAIN.replace('Length: 2', 'Length: +2')],
  ['a length in hexadecimals', PLAIN.replace('Length: 2', 'Length: 0x2')],
  ['a list of lengths', PLAIN.replace('Length: 2', 'Length: 2, 2')],
  ['a length beyond every number', PLAIN.replace('Length: 2', `Length: ${'9'.repeat(400)}`)],
  ['two lengths', withField('Content-Length: 3')],
  ['two lengths in other letters', withField('CONTENT-LENGTH: 2')],
  ['chunks', withField('Transfer-Encoding: chunked')],
  ['chunks under a hidden name', withField('Transfer-Encoding : chunked')],
  ['trailers', withField('Trailer: x')],
  ['an answer before the body', withField('Expect: 100-continue')],
  ['another protocol', withField('Upgrade: websocket')],
  ['a connection that ends', withField('Connection: close')],
  ['a connection with names', withField('Connection: keep-alive, x-a')],
  ['a name twice', withField('Host: y')],
  ['a name with a blank', withField('X A: b')],
  ['a name with a blank before it', withField(' X-A: b')],
  ['a line that goes on', withField('X-A: b\r\n c')],
  ['a line without a colon', withField('X-A')],
  ['no name', withField(': b')],
  ['no value', withField('X-A:')],
  ['a blank at the end', withField('X-A: b ')],
  ['a bare line feed', withField('X-A: b\nTransfer-Encoding: chunked')],
  ['a bare carriage return', withField('X-A: b\rTransfer-Encoding: chunked')],
  ['a zero byte', withField('X-A: b\0c')],
  ['letters beyond ASCII', withField('X-A: \xe4')],
  ['line feeds alone', PLAIN.replaceAll('\r\n', '\n')],
  ['no end', PLAIN.slice(0, -2)],
  ['more than it may have', withField(`X-A: ${'b'.repeat(1000)}`)],
])('leaves a head with %s to Node', (_what, text) => {
  expect(read(`${text}{}`)).toBeUndefined();
});

describe('of one connection', () => {
  test('a head that comes again is known', () => {
    const heads = new PlainHeads(1000);
    const first = heads.read(Buffer.from(`${PLAIN}{}`));
    expect(heads.read(Buffer.from(`${PLAIN}[]`))).toBe(first);
    expect(heads.read(Buffer.from(PLAIN))).toBe(first);
    expect(heads.read(Buffer.from(PLAIN.slice(0, -1)))).toBeUndefined();
    expect(heads.read(Buffer.from(PLAIN.replace('/m/', '/n/')))).toMatchObject({ url: '/v2/models/n/infer' });
    expect(heads.read(Buffer.from(PLAIN))).toMatchObject({ url: '/v2/models/m/infer' });
  });

  test('a path prefix is taken from the front of the path, and a path without it stays', () => {
    const heads = new PlainHeads(1000, '/millrace');
    const below = PLAIN.replace('/v2', '/millrace/v2');
    const first = heads.read(Buffer.from(below));
    expect(first).toMatchObject({ url: '/v2/models/m/infer', length: below.length });
    expect(heads.read(Buffer.from(below))).toBe(first);
    expect(heads.read(Buffer.from(PLAIN))).toMatchObject({ url: '/v2/models/m/infer', length: PLAIN.length });
  });

  test('what was read is not changed by what comes into the same bytes', () => {
    const heads = new PlainHeads(1000);
    const bytes = Buffer.from(PLAIN);
    heads.read(bytes);
    bytes.write('PUT ', 0);
    expect(heads.read(bytes)).toBeUndefined();
    expect(heads.read(Buffer.from(PLAIN))?.url).toBe('/v2/models/m/infer');
  });
});

/** What Node makes of the first request of these bytes; `undefined`: it refuses them. */
function nodeReads(bytes: Buffer): Promise<{ url: string; headers: IncomingHttpHeaders; body: string } | undefined> {
  return new Promise((resolve) => {
    const server = createServer((request) => {
      const { url = '', headers } = request;
      let body = '';
      request.setEncoding('latin1');
      request.on('data', (chunk: string) => (body += chunk));
      request.on('end', () => resolve({ url, headers, body }));
    });
    server.on('clientError', () => resolve(undefined));
    const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
    server.emit('connection', socket);
    socket.push(bytes);
    socket.push(null);
  });
}

/** Pieces that parsers have fallen out over. */
const ODD = [
  ...['\r', '\n', '\r\n', ' ', '\t', ':', '\0', '\x7f', '\xe4', ',', '"', ';', '0', '-', '+'],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 1\r\n',
    'Content-Length:\r\n',
    'Connection: close\r\n',
    'Host: y\r\n',
    'X-A: b\r\n',
  ],
];

test('what is taken of heads with random faults is what Node reads', async () => {
  const fault = fc.record({ at: fc.nat(PLAIN.length), piece: fc.constantFrom(...ODD), removed: fc.nat(2) });
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { minLength: 1, maxLength: 3 }), async (faults) => {
      const text = faults.reduce((head, { at, piece, removed }) => head.slice(0, at) + piece + head.slice(at + removed), PLAIN);
      const head = read(`${text}{}`);
      if (!head) return;
      // As much as it says; what is missing of a body is waited for.
      const body = `${text}{}`.slice(head.length).padEnd(head.contentLength).slice(0, head.contentLength);
      const { url, headers } = head;
      expect(await nodeReads(Buffer.from(text.slice(0, head.length) + body, 'latin1'))).toEqual({ url, headers: { ...headers }, body });
      taken++;
    }),
    { numRuns: 10_000 },
  );
  expect(taken).toBeGreaterThan(200);
});
