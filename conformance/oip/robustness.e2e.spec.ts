import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomNumbers } from '@millrace/statistics';
import { embeddedTopology, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { gzipSync } from 'node:zlib';
import { deployModels } from './deployed-models.js';
import { MODELS } from './models.js';
import { RawConnection } from './raw-connection.js';

const MAX_BODY = 4 * 1024 * 1024;
const INFER = '/v2/models/logistic/infer';
const CONNECTIONS = 10_000;
const SLOW_CLIENTS = 200;

interface Case {
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly status: number;
  readonly error: RegExp;
}

const input = (extra: object = {}): object => ({ name: 'input', datatype: 'FP32', shape: [1, 2], data: [1, 2], ...extra });
const request = (...inputs: object[]): string => JSON.stringify({ inputs });
const binary = (size: number, tail: Buffer, extra: object = {}): Pick<Case, 'body' | 'headers'> => {
  const head = Buffer.from(request(input({ data: undefined, parameters: { binary_data_size: size }, ...extra })));
  return { body: Buffer.concat([head, tail]), headers: { 'inference-header-content-length': String(head.length) } };
};

/** Every way we know of getting a request wrong; the cases of Triton's own suites among them. */
const CASES: Readonly<Record<string, Case>> = {
  'an empty body': { body: '', status: 400, error: /not JSON/ },
  'no JSON': { body: 'hello', status: 400, error: /not JSON/ },
  'JSON that is no object': { body: '[1]', status: 400, error: /must be an object/ },
  'JSON cut off': { body: request(input()).slice(0, -5), status: 400, error: /not JSON/ },
  'bytes that are no text': { body: Buffer.alloc(1000, 0xff), status: 400, error: /not JSON/ },
  'too few elements': { body: request(input({ data: [1] })), status: 400, error: /"input" of shape \[1,2\] needs 2 elements and has 1/ },
  'too many elements': { body: request(input({ data: [1, 2, 3] })), status: 400, error: /"input" .* has more/ },
  'a negative size': {
    body: request(input({ shape: [-1, 2] })),
    status: 400,
    error: /"input": shape must be a list of sizes of 0 or more/,
  },
  'a size that is no whole number': { body: request(input({ shape: [1.5, 2] })), status: 400, error: /shape must be/ },
  'a shape of a quintillion elements': { body: request(input({ shape: [1e9, 1e9] })), status: 400, error: /more than 67108864 elements/ },
  'a shape beyond 64 bits': { body: request(input({ shape: [1e308, 1e308] })), status: 400, error: /shape must be/ },
  'a shape that hides its size behind a 0': { body: request(input({ shape: [0, 9e15, 9e15, 9e15] })), status: 400, error: /"input"/ },
  'ten thousand dimensions': { body: request(input({ shape: Array(10_000).fill(1) })), status: 400, error: /10000 dimensions/ },
  'a shape its data cannot fill': { body: request(input({ shape: [6e7, 1] })), status: 400, error: /shorter than shape/ },
  'a million lists in one another': { body: '['.repeat(1e6), status: 400, error: /nested deeper than 64 levels/ },
  'a million objects in one another': { body: '{"a":'.repeat(5e5), status: 400, error: /nested deeper than 64 levels/ },
  'data deeper than its shape': { body: request(input({ data: [[[[1, 2]]]] })), status: 400, error: /nested deeper than shape/ },
  NaN: { body: '{"inputs":[{"name":"input","datatype":"FP32","shape":[1,2],"data":[NaN,1]}]}', status: 400, error: /JSON has no NaN/ },
  Infinity: {
    body: '{"inputs":[{"name":"input","datatype":"FP32","shape":[1,2],"data":[1,-Infinity]}]}',
    status: 400,
    error: /JSON has no NaN/,
  },
  'a number beyond FP32': { body: request(input({ data: [1e39, 1] })), status: 400, error: /1e\+39 is not a value of FP32/ },
  'a number beyond FP64': {
    body: '{"inputs":[{"name":"input","datatype":"FP32","shape":[1,2],"data":[1e999,1]}]}',
    status: 400,
    error: /not a value of FP32/,
  },
  'texts where numbers belong': { body: request(input({ data: ['a', 'b'] })), status: 400, error: /"a" is not a value of FP32/ },
  'objects where numbers belong': { body: request(input({ data: [{}, {}] })), status: 400, error: /an object is not a value of FP32/ },
  'an unknown datatype': { body: request(input({ datatype: 'FP8' })), status: 400, error: /"FP8" is not one of the protocol/ },
  'another datatype': {
    body: request(input({ datatype: 'INT32' })),
    status: 400,
    error: /"input" is INT32; the model expects FP32 \[-1,2\]/,
  },
  'another width': {
    body: request(input({ shape: [1, 3], data: [1, 2, 3] })),
    status: 400,
    error: /has shape \[1,3\]; the model expects FP32 \[-1,2\]/,
  },
  'another input': {
    body: request({ ...input(), name: 'other' }),
    status: 400,
    error: /"input" is missing; the model expects FP32 \[-1,2\]/,
  },
  'an input twice': { body: request(input(), input()), status: 400, error: /"input" is given twice/ },
  'an output twice': {
    body: JSON.stringify({ inputs: [input()], outputs: [{ name: 'label' }, { name: 'label' }] }),
    status: 400,
    error: /twice/,
  },
  'an id that is no text': { body: JSON.stringify({ id: 1, inputs: [input()] }), status: 400, error: /id must be a string/ },
  'a parameter that is a list': {
    body: JSON.stringify({ parameters: { a: [1] }, inputs: [input()] }),
    status: 400,
    error: /parameter "a"/,
  },
  'a timeout that is a text': {
    body: JSON.stringify({ parameters: { timeout: '1' }, inputs: [input()] }),
    status: 400,
    error: /"timeout" must be/,
  },
  'a timeout nobody can keep': {
    body: JSON.stringify({ parameters: { timeout: 0.001 }, inputs: [input()] }),
    status: 504,
    error: /deadline/,
  },
  'a priority that is a text': {
    body: JSON.stringify({ parameters: { priority: 'high' }, inputs: [input()] }),
    status: 400,
    error: /"priority" is "high"; it must be/,
  },
  'an unknown model': { path: '/v2/models/nobody/infer', body: request(input()), status: 404, error: /no deployment "nobody"/ },
  'an unknown version': { path: '/v2/models/logistic/versions/9/infer', body: request(input()), status: 404, error: /no version 9/ },
  'a version that is no number': {
    path: '/v2/models/logistic/versions/x/infer',
    body: request(input()),
    status: 404,
    error: /versions are numbers/,
  },
  'short binary data': { ...binary(8, Buffer.alloc(4)), status: 400, error: /"input": binary_data_size 8 does not fit; 4 bytes/ },
  'long binary data': { ...binary(8, Buffer.alloc(9)), status: 400, error: /1 bytes of binary data belong to no input/ },
  'binary data of another length': { ...binary(12, Buffer.alloc(12)), status: 400, error: /needs 8 bytes of binary data and has 12/ },
  'a binary size beyond 64 bits': { ...binary(1e300, Buffer.alloc(8)), status: 400, error: /does not fit/ },
  'a negative binary size': { ...binary(-8, Buffer.alloc(8)), status: 400, error: /does not fit/ },
  'strings that reach beyond their bytes': {
    ...binary(8, Buffer.alloc(8, 0xff), { datatype: 'BYTES' }),
    status: 400,
    error: /reaches beyond/,
  },
  'a JSON length beyond the body': {
    body: request(input()),
    headers: { 'inference-header-content-length': '99999' },
    status: 400,
    error: /is 99999; the body has/,
  },
  'a negative JSON length': {
    body: request(input()),
    headers: { 'inference-header-content-length': '-1' },
    status: 400,
    error: /Inference-Header-Content-Length/,
  },
  'a JSON length that is no number': {
    body: request(input()),
    headers: { 'inference-header-content-length': '0x1' },
    status: 400,
    error: /Inference-Header-Content-Length/,
  },
  'raw bytes of no whole row': {
    body: Buffer.alloc(9),
    headers: { 'inference-header-content-length': '0' },
    status: 400,
    error: /takes 8 bytes a row; the body has 9/,
  },
  'an unknown encoding': {
    body: request(input()),
    headers: { 'content-encoding': 'br' },
    status: 400,
    error: /Content-Encoding "br" is not understood/,
  },
  'gzip that is none': { body: request(input()), headers: { 'content-encoding': 'gzip' }, status: 400, error: /cannot be decompressed/ },
  'gzip cut off': {
    body: gzipSync(request(input())).subarray(0, 30),
    headers: { 'content-encoding': 'gzip' },
    status: 400,
    error: /cannot be decompressed/,
  },
  '64 MiB of zeros as gzip': {
    body: gzipSync(Buffer.alloc(64 * 1024 * 1024)),
    headers: { 'content-encoding': 'gzip' },
    status: 413,
    error: /larger than/,
  },
};

describe('whatever is sent, the gateway answers and goes on', () => {
  let directory: TempDir;
  let platform: Topology;
  let port: number;

  beforeAll(async () => {
    directory = await tempDir('oip-robust');
    platform = await embeddedTopology(directory.path, {
      ...{ MILLRACE_MAX_BODY: `${MAX_BODY}B`, MILLRACE_LOG_LEVEL: 'error' },
      ...{ MILLRACE_HEADERS_TIMEOUT: '2s', MILLRACE_REQUEST_TIMEOUT: '3s', MILLRACE_KEEP_ALIVE_TIMEOUT: '10m' },
    });
    await platform.start();
    port = Number(new URL(platform.url).port);
    const { logistic } = MODELS;
    await deployModels(platform.url, { logistic: logistic as Uint8Array });
  }, 120_000);

  afterAll(async () => {
    // It went through all of it as the process that was started, and logged no defect.
    expect(platform.services[0]?.output).not.toMatch(/"level":"(error|fatal)"/);
    await platform.stop();
    await directory.remove();
  });

  const send = async ({
    path = INFER,
    headers = {},
    body,
  }: Pick<Case, 'path' | 'headers' | 'body'>): Promise<{ status: number; error: string }> => {
    const response = await fetch(`${platform.url}${path}`, {
      method: 'POST',
      headers,
      body: typeof body === 'string' ? body : Buffer.from(body),
    });
    return { status: response.status, error: ((await response.json()) as { error?: string }).error ?? '' };
  };
  const expectServes = async (): Promise<void> => {
    expect(await send({ body: request(input()) })).toEqual({ status: 200, error: '' });
  };

  test.each(Object.entries(CASES))('%s', async (_what, { status, error, ...sent }) => {
    expect(await send(sent)).toEqual({ status, error: expect.stringMatching(error) });
  });

  test('a body beyond the limit is refused before it is sent', async () => {
    const connection = new RawConnection(port);
    connection.write(`POST ${INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: ${MAX_BODY + 1}\r\n\r\n`);
    expect(await connection.closed).toMatch(/^HTTP\/1\.1 413 [^]*\{"error":"[^"]*too large"\}$/);
  });

  test('the whole body as one input’s bytes is an answer, not an error', async () => {
    const body = Buffer.from(Float32Array.of(1, 0.25, 0, 0).buffer);
    const response = await fetch(`${platform.url}${INFER}`, { method: 'POST', headers: { 'inference-header-content-length': '0' }, body });
    expect(response.status).toBe(200);
    expect(response.headers.get('inference-header-content-length')).toMatch(/^\d+$/);
  });

  test('half-broken requests get clean errors, whatever is broken in them', async () => {
    const next = randomNumbers(20261126);
    const random = (bound: number): number => Math.floor(next() * bound);
    const whole = Buffer.from(request(input({ data: undefined, parameters: { binary_data_size: 8 } })));
    const json = Buffer.from(JSON.stringify({ id: 'x', parameters: { unit: 'u' }, inputs: [input()], outputs: [{ name: 'label' }] }));
    const statuses = new Map<number, number>();
    for (let round = 0; round < 1500; round++) {
      const isBinary = round % 2 === 0;
      const bytes = Buffer.from(isBinary ? Buffer.concat([whole, Buffer.alloc(8, 1)]) : json);
      for (let flips = random(4); flips >= 0; flips--) bytes[random(bytes.length)] = random(256);
      const body = bytes.subarray(0, random(4) === 0 ? random(bytes.length) : bytes.length);
      const headers: Record<string, string> = isBinary ? { 'inference-header-content-length': String(whole.length) } : {};
      const { status, error } = await send({ body, headers });
      if (status !== 200) expect(error).not.toBe('');
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect([...statuses.keys()].filter((status) => ![200, 400].includes(status))).toEqual([]);
  }, 120_000);

  test('bodies that break off leave nothing behind', async () => {
    const head = `POST ${INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n`;
    const chunked = `POST ${INFER} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`;
    const all = [
      head + '{"inputs"',
      chunked + 'ff\r\n{"inp',
      chunked + 'zz\r\n{}',
      'POST /v2',
      `${head.replace('100000', '-5')}{}`,
    ].flatMap((text) =>
      Array.from({ length: 100 }, (_, index) => {
        const connection = new RawConnection(port);
        connection.write(text);
        if (index % 2 === 0) connection.end();
        else void connection.opened.then(() => connection.destroy());
        return connection.closed;
      }),
    );
    for (const received of await Promise.all(all)) if (received !== '') expect(received).toMatch(/^HTTP\/1\.1 4\d\d /);
    await waitFor(async () => /^millrace_http_in_flight\{?[^}]*\}? [01]$/m.test(await metrics()), {
      what: 'the broken requests to be forgotten',
    });
    await expectServes();
  }, 60_000);

  test('slow clients are let go, and the others are answered meanwhile', async () => {
    const slow = Array.from({ length: SLOW_CLIENTS }, (_, index) => {
      const connection = new RawConnection(port);
      // One half does not finish its head, the other its body.
      connection.write(
        index % 2 === 0
          ? `POST ${INFER} HTTP/1.1\r\nhost: x\r\nx-a: `
          : `POST ${INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{`,
      );
      return connection;
    });
    const drip = setInterval(() => slow.forEach((connection) => connection.write(' ')), 200);
    await Promise.all(slow.map((connection) => connection.opened));
    await expectServes();
    const received = await Promise.all(slow.map((connection) => connection.closed));
    clearInterval(drip);
    for (const text of received) if (text !== '') expect(text).toMatch(/^HTTP\/1\.1 408 /);
    await expectServes();
  }, 120_000);

  test(`${CONNECTIONS} open connections are each answered`, async () => {
    const body = request(input());
    const ask = `POST ${INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const connections: RawConnection[] = [];
    const statuses = new Map<number, number>();
    const askAll = async (some: readonly RawConnection[]): Promise<void> => {
      for (const status of await Promise.all(some.map((one) => one.ask(ask)))) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    };
    try {
      // One that asks nothing is let go after a while, so each asks as it opens, and again when all are open.
      for (let wave = 0; wave < CONNECTIONS / 500; wave++) {
        const opened = Array.from({ length: 500 }, () => new RawConnection(port));
        connections.push(...opened);
        await askAll(opened);
      }
      for (let wave = 0; wave < CONNECTIONS / 500; wave++) await askAll(connections.slice(wave * 500, (wave + 1) * 500));
      expect([...statuses]).toEqual([[200, 2 * CONNECTIONS]]);
      await expectServes();
    } finally {
      for (const connection of connections) connection.destroy();
    }
    await expectServes();
  }, 600_000);

  test('the heap is flat over all of it', async () => {
    const round = async (): Promise<number> => {
      for (let repeat = 0; repeat < 4; repeat++) for (const sent of Object.values(CASES)) await send(sent);
      let least = Infinity;
      // The least of many looks is what is left after a collection of garbage.
      for (let look = 0; look < 40; look++) {
        for (let one = 0; one < 10; one++) await send({ body: request(input()) });
        least = Math.min(least, heapOf(await metrics()));
      }
      return least;
    };
    const rounds: number[] = [];
    for (let number = 0; number < 6; number++) rounds.push(await round());
    const [early, late] = [Math.min(...rounds.slice(1, 3)), Math.min(...rounds.slice(-2))];
    expect({ rounds: rounds.map((bytes) => Math.round(bytes / 1e6)), isFlat: late - early < 8e6 }).toEqual({
      rounds: expect.anything(),
      isFlat: true,
    });
  }, 300_000);

  const metrics = async (): Promise<string> => (await fetch(`${platform.url}/metrics`)).text();
});

function heapOf(metrics: string): number {
  return Number(/^nodejs_heap_size_used_bytes(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1]);
}
