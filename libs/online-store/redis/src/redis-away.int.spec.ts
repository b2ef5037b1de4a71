import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isFault } from '@millrace/kernel';
import { startRedis, waitFor, type RedisEngine } from '@millrace/testing';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { RedisOnlineStore, type RedisOnlineStoreOptions } from './redis-online-store.js';

/** Longer than any test may take: who waited for it would be found out. */
const FOR_EVER_MS = 600_000;

/** A Redis of its own, because the tests take it away. */
let redis: RedisEngine;
let store: RedisOnlineStore;
beforeEach(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await Promise.allSettled([store.close(), redis.stop()]);
});

async function open(options: Omit<RedisOnlineStoreOptions, 'url'>): Promise<void> {
  store = await RedisOnlineStore.connect({ url: redis.url, ...options });
  await store.writeMany([{ key: Buffer.from('a'), value: Buffer.from('1') }]);
}

async function read(): Promise<string> {
  const [value] = await store.getMany([Buffer.from('a')]);
  return value?.toString() ?? 'nothing';
}

async function failureOfRead(): Promise<unknown> {
  return read().catch((error: unknown) => error);
}

async function comeBack(): Promise<void> {
  redis = await startRedis({ port: redis.port });
}

test('reads are refused while Redis is away, writes wait for it, and both go on when it is back', async () => {
  await open({ commandTimeoutMs: FOR_EVER_MS, bridgeMs: 300 });
  await redis.stop();
  const waiting = await failureOfRead();
  expect(isFault(waiting) && waiting.code === 'MR_ONLINE_STORE' && waiting.retryable).toBe(true);
  expect(String(waiting)).toMatch(/\(Redis\) failed to read: .*(ECONNREFUSED|closed unexpectedly)/);

  let written: boolean | undefined;
  const write = store.writeMany([{ key: Buffer.from('a'), value: Buffer.from('2') }]).then((isWritten) => (written = isWritten));
  let isTurnOver = false;
  setTimeout(() => (isTurnOver = true), 200);
  const many = await Promise.all(Array.from({ length: 100 }, () => failureOfRead()));
  expect(many.every((error) => isFault(error))).toBe(true);
  // Nobody waited for as much as the connection is waited for.
  expect(isTurnOver).toBe(false);
  expect(written).toBeUndefined();

  await comeBack();
  expect(await write).toBe(true);
  expect(await read()).toBe('2');
}, 60_000);

test('a store can be closed while Redis is away and something waits for it, and while Redis says nothing', async () => {
  await open({ commandTimeoutMs: FOR_EVER_MS });
  await redis.stop();
  await failureOfRead();
  const write = store.writeMany([{ key: Buffer.from('a'), value: Buffer.from('2') }]).catch((error: unknown) => error);
  await store.close();
  expect(isFault(await write)).toBe(true);

  await comeBack();
  await open({ commandTimeoutMs: 500 });
  redis.process.kill('SIGSTOP');
  const unanswered = store.writeMany([{ key: Buffer.from('a'), value: Buffer.from('3') }]).catch((error: unknown) => error);
  await store.close();
  expect(isFault(await unanswered)).toBe(true);
  redis.process.kill('SIGCONT');
}, 60_000);

test('a Redis that was away for a moment is waited for', async () => {
  await open({ commandTimeoutMs: FOR_EVER_MS, bridgeMs: FOR_EVER_MS });
  await redis.stop();
  const reads = Promise.all([read(), read(), read()]);
  await comeBack();
  expect(await reads).toEqual(['nothing', 'nothing', 'nothing']);
}, 60_000);

test('a Redis that is connected and silent holds one read up, not each', async () => {
  await open({ commandTimeoutMs: 2_000 });
  redis.process.kill('SIGSTOP');
  try {
    expect(String(await failureOfRead())).toContain('is connected and has answered nothing for 2000 ms');
    let isOneMoreOver = false;
    setTimeout(() => (isOneMoreOver = true), 1_500);
    for (let again = 0; again < 10; again++) expect(isFault(await failureOfRead())).toBe(true);
    expect(isOneMoreOver).toBe(false);
  } finally {
    redis.process.kill('SIGCONT');
  }
  // The first answer ends the refusals.
  let last: unknown;
  while ((last = await failureOfRead()) !== '1') {
    expect(isFault(last)).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
  }
}, 60_000);

test('who has little time hears of a silent Redis in that time', async () => {
  await open({ commandTimeoutMs: FOR_EVER_MS });
  redis.process.kill('SIGSTOP');
  try {
    await expect(store.getMany([Buffer.from('a')], 50)).rejects.toMatchObject({ code: 'MR_DEADLINE_EXCEEDED', retryable: true });
  } finally {
    redis.process.kill('SIGCONT');
  }
  expect(await read()).toBe('1');
}, 60_000);

/** Between a store and Redis: connections that are there can be forgotten, as by a machine that lost its power; those made later work, unless they are held up too. */
class Relay {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  made = 0;
  isHeldUp = false;

  constructor(port: number) {
    this.#server = createServer((near) => {
      this.made++;
      const far = connect(port, '127.0.0.1');
      this.#sockets.push(near, far);
      for (const socket of [near, far]) socket.on('error', () => undefined);
      if (!this.isHeldUp) near.pipe(far).pipe(near);
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as { port: number }).port;
  }

  forget(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

test('a connection that was forgotten at its other end is replaced, and so is one that is never answered on', async () => {
  const relay = new Relay(redis.port);
  try {
    const url = `redis://127.0.0.1:${await relay.listen()}`;
    store = await RedisOnlineStore.connect({ url, commandTimeoutMs: 500, bridgeMs: 10, silenceMs: 600 });
    await store.writeMany([{ key: Buffer.from('a'), value: Buffer.from('1') }]);
    expect(relay.made).toBe(1);
    relay.isHeldUp = true;
    relay.forget();
    expect(isFault(await failureOfRead())).toBe(true);
    const written = store.writeMany([{ key: Buffer.from('a'), value: Buffer.from('2') }]).catch((error: unknown) => error);
    expect(isFault(await written)).toBe(true);
    await waitFor(() => Promise.resolve(relay.made > 1), { what: 'another connection' });
    relay.isHeldUp = false;
    await waitFor(async () => (await failureOfRead()) === '1', { what: 'an answer on one more' });
    expect(await store.writeMany([{ key: Buffer.from('a'), value: Buffer.from('2') }])).toBe(true);
    expect(await read()).toBe('2');
  } finally {
    await store.close();
    relay.close();
  }
}, 60_000);

test('a connection on which nothing is asked for long is kept', async () => {
  const relay = new Relay(redis.port);
  try {
    store = await RedisOnlineStore.connect({ url: `redis://127.0.0.1:${await relay.listen()}`, silenceMs: 200 });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await read()).toBe('nothing');
    expect(relay.made).toBe(1);
  } finally {
    await store.close();
    relay.close();
  }
}, 60_000);
