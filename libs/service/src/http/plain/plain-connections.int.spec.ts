import { afterEach, expect, test } from '@jest/globals';
import { waitFor } from '@millrace/testing';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { HotReply } from '../hot-reply.js';
import type { FoundRoute, HotCall } from '../hot-routes.js';
import type { RawReply } from '../raw-reply.js';
import { PlainConnections } from './plain-connections.js';
import type { PlainTimes } from './plain-connection.js';

const TIMES: PlainTimes = { headersTimeoutMs: 20_000, requestTimeoutMs: 20_000, keepAliveTimeoutMs: 20_000 };
const BYTES: Readonly<Record<string, Buffer>> = {
  bytes: Buffer.from('plain \xff\u20ac', 'utf8'),
  'bytes, many': Buffer.from(`plain ${'\u20ac'.repeat(10_000)}`),
};
const LONG = 'ä'.repeat(4 * 1024 * 1024);

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

/** Answers `/hot` with how it was asked, and has Node answer everything else; `/hot` too, where it comes to Node. */
class Sides {
  readonly server: Server;
  readonly plain: PlainConnections;
  nodes = 0;
  /** Of each request: whether its response was sent. */
  readonly closed: boolean[] = [];
  readonly #held: (() => void)[] = [];

  constructor(times: Partial<PlainTimes> = {}) {
    this.server = createServer({ keepAliveTimeout: 20_000 }, (request, response) => {
      this.nodes++;
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (chunk: string) => (body += chunk));
      request.on('end', () => response.end(`node ${body}`));
    });
    const hotRoutes = {
      find: (url: string) => (url === '/hot' ? ({} as FoundRoute) : undefined),
      begin: (_found: FoundRoute, _url: string, _headers: object, raw: RawReply) => this.#begin(raw),
    };
    this.plain = new PlainConnections({ hotRoutes, maxHeaderBytes: 1000, ...TIMES, ...times });
    this.plain.attach(this.server);
  }

  get held(): number {
    return this.#held.length;
  }

  letGo(): void {
    for (const go of this.#held.splice(0)) go();
  }

  #begin(raw: RawReply): HotCall {
    raw.on('close', () => this.closed.push(raw.writableFinished));
    const reply = new HotReply(raw, 'an-id');
    return {
      answer: (pieces) => {
        const text = Buffer.concat(pieces).toString();
        const send = (): void => void reply.send(text === 'long' ? LONG : text.startsWith('bytes') ? BYTES[text] : `plain ${text}`);
        if (text.startsWith('hold')) this.#held.push(send);
        else send();
      },
    };
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    ending.push(() => {
      this.server.close();
      this.plain.close();
      this.server.closeAllConnections();
    });
    return this;
  }

  async client(): Promise<Client> {
    const socket = connect((this.server.address() as AddressInfo).port, '127.0.0.1');
    socket.setNoDelay();
    ending.push(() => socket.destroy());
    await new Promise((resolve) => socket.once('connect', resolve));
    return new Client(socket);
  }
}

class Client {
  text = '';
  isEnded = false;

  constructor(readonly socket: Socket) {
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (this.text += chunk));
    socket.on('end', () => (this.isEnded = true)).on('error', () => undefined);
  }

  /** The bodies so far, which all begin with who answered. */
  get bodies(): string[] {
    return [...this.text.matchAll(/(plain|node) [^\r]*?(?=HTTP|$)/g)].map(([body]) => body);
  }

  post(body: string, path = '/hot', extra = ''): void {
    this.socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\n${extra}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  async answers(...bodies: string[]): Promise<void> {
    const { length } = bodies.join('');
    // A long one comes in pieces.
    await waitFor(() => this.bodies.join('').length >= length, { what: `${bodies.length} answers in ${this.text.slice(0, 1000)}` });
    expect(this.bodies).toEqual(bodies);
  }
}

test('answers request after request of a connection, none of which Node sees', async () => {
  const sides = await new Sides().listen();
  const client = await sides.client();
  for (let round = 0; round < 3; round++) {
    client.post(String(round));
    await client.answers(...['plain 0', 'plain 1', 'plain 2'].slice(0, round + 1));
  }
  expect(client.text).toMatch(
    /^HTTP\/1\.1 200 OK\r\nx-request-id: an-id\r\ncontent-type: [^\r]+\r\ncontent-length: 7\r\nDate: [^\r]+ GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=20\r\n\r\nplain 0/,
  );
  expect([sides.nodes, sides.closed]).toEqual([0, [true, true, true]]);
});

test('sends bytes as they are, and text beyond ASCII whole', async () => {
  const sides = await new Sides().listen();
  const client = await sides.client();
  const bytes = ['plain \xff\u20ac', `plain ${'\u20ac'.repeat(10_000)}`];
  client.post('bytes');
  await client.answers(...bytes.slice(0, 1));
  client.post('bytes, many');
  await waitFor(() => client.bodies[1]?.length === bytes[1]?.length);
  client.post('ä€𝄞');
  await client.answers(...bytes, 'plain ä€𝄞');
  expect(client.text).toContain(`content-length: ${Buffer.byteLength('plain ä€𝄞')}\r\n`);
});

test('takes a body in pieces of any size', async () => {
  const sides = await new Sides().listen();
  const client = await sides.client();
  client.socket.write('POST /hot HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n');
  for (const letter of 'abcdef') {
    await new Promise((resolve) => setTimeout(resolve, 5));
    client.socket.write(letter);
  }
  await client.answers('plain abcdef');
  expect(sides.nodes).toBe(0);
});

test.each([
  ['another path', (client: Client) => client.post('b', '/other'), 'node b'],
  ['a field that says more', (client: Client) => client.post('b', '/hot', 'Expect: 100-continue\r\n'), 'node b'],
  [
    'a head in two pieces',
    (client: Client) =>
      void (
        client.socket.write('POST /h'),
        setTimeout(() => client.socket.write('ot HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb'), 20)
      ),
    'node b',
  ],
  ['a long body', (client: Client) => client.post('b'.repeat(300_000)), `node ${'b'.repeat(300_000)}`],
  [
    'chunks',
    (client: Client) => void client.socket.write('POST /hot HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n'),
    'node b',
  ],
])('gives a connection to Node at %s, and Node keeps it', async (_what, send, answer) => {
  const sides = await new Sides().listen();
  const client = await sides.client();
  client.post('a');
  await client.answers('plain a');
  send(client);
  await client.answers('plain a', answer);
  client.post('c');
  await client.answers('plain a', answer, 'node c');
});

test('leaves it to Node to refuse', async () => {
  const sides = await new Sides().listen();
  const client = await sides.client();
  client.post('a', '/hot', 'Content-Length: 5\r\n');
  await waitFor(() => client.isEnded);
  expect([client.text.slice(0, 12), sides.closed]).toEqual(['HTTP/1.1 400', []]);
});

test('answers what came too early in its order, and only then', async () => {
  const sides = await new Sides().listen();
  const client = await sides.client();
  client.post('hold');
  await waitFor(() => sides.held === 1);
  client.post('b');
  client.post('c');
  // Enough to fill what is read ahead, so that it really is not read.
  for (let more = 0; more < 40; more++) client.post('d'.repeat(100_000));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect([client.text, sides.nodes]).toEqual(['', 0]);
  sides.letGo();
  await waitFor(() => client.bodies.length === 43, { timeoutMs: 20_000 });
  expect(client.bodies.slice(0, 3)).toEqual(['plain hold', 'node b', 'node c']);
  expect(new Set(client.bodies.slice(3))).toEqual(new Set([`node ${'d'.repeat(100_000)}`]));
});

test('takes the next request when a long answer has been read, not before', async () => {
  const sides = await new Sides().listen();
  const client = await sides.client();
  client.socket.pause();
  client.post('long');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(sides.closed).toEqual([]);
  client.socket.resume();
  await waitFor(() => client.text.split('\r\n\r\n')[1]?.length === LONG.length, { timeoutMs: 20_000 });
  await waitFor(() => sides.closed.length === 1);
  client.post('b');
  await waitFor(() => client.text.endsWith('plain b'));
});

test.each(['destroy', 'end'] as const)('notices who leaves by %s before the answer', async (leave) => {
  const sides = await new Sides().listen();
  const client = await sides.client();
  client.post('hold');
  await waitFor(() => sides.held === 1);
  client.socket[leave]();
  await waitFor(() => sides.closed.length === 1);
  expect(sides.closed).toEqual([false]);
  // Nobody is there any more, and that is no error.
  sides.letGo();
});

test('ends connections that wait for too long', async () => {
  const quick = { headersTimeoutMs: 1, requestTimeoutMs: 1, keepAliveTimeoutMs: 1 };
  const sides = await new Sides(quick).listen();
  const [silent, slow, idle, held] = await Promise.all([sides.client(), sides.client(), sides.client(), sides.client()]);
  slow.socket.write('POST /hot HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc');
  idle.post('a');
  held.post('hold');
  await waitFor(() => silent.isEnded && slow.isEnded && idle.isEnded, { timeoutMs: 20_000 });
  expect([silent.text, slow.text.split('\r\n')[0], idle.bodies]).toEqual(['', 'HTTP/1.1 408 Request Timeout', ['plain a']]);
  // It is not the client who lets that one wait.
  sides.letGo();
  await held.answers('plain hold');
});

test('closes with the server: idle ones at once, others with their answer, late ones by Node', async () => {
  const sides = await new Sides().listen();
  const [silent, idle, held] = await Promise.all([sides.client(), sides.client(), sides.client()]);
  idle.post('a');
  await idle.answers('plain a');
  held.post('hold');
  await waitFor(() => sides.held === 1);
  sides.plain.close();
  await waitFor(() => silent.isEnded && idle.isEnded);
  const late = await sides.client();
  late.post('b');
  await late.answers('node b');
  expect(held.isEnded).toBe(false);
  sides.letGo();
  await waitFor(() => held.isEnded);
  expect([held.bodies, held.text.includes('\r\nConnection: close\r\n')]).toEqual([['plain hold'], true]);
  late.socket.destroy();
  await new Promise((resolve) => sides.server.close(resolve));
});
