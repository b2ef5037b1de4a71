import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ArtifactStore } from '@millrace/artifact-store';
import { FilesystemArtifactStore } from '@millrace/artifact-store-filesystem';
import type { EventLog } from '@millrace/event-log';
import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { Fault } from '@millrace/kernel';
import { Module, type OnApplicationBootstrap } from '@nestjs/common';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { loadConfig } from '../config/config.js';
import { bootstrap } from '../http/bootstrap.js';
import { rawRoutes } from '../http/raw-routes.js';
import { HttpAdapterHost } from '@nestjs/core';
import { tally, type GrowTally } from '../testing/tally.js';
import { openHost, type Host } from './host.js';

@Module({})
class EmptyModule {}

@Module({})
class FaultyModule implements OnApplicationBootstrap {
  onApplicationBootstrap(): void {
    throw new Fault('MR_TEST', 'the port of something else is taken', false);
  }
}

describe('starting and stopping', () => {
  let temp: TempDir;
  const lines: Record<string, unknown>[] = [];
  const logDestination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const config = (more: Record<string, string> = {}) => loadConfig([], { MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', ...more });

  beforeEach(async () => {
    temp = await tempDir('host');
    lines.length = 0;
  });
  afterEach(() => temp.remove());

  test('a log with another partition count is refused, both counts named, and nothing stays open', async () => {
    const log = await LmdbEventLog.open({ path: join(temp.path, 'log', 'log.mdb') });
    await log.ensureTopic({ name: 'millrace.tracking.decisions', partitions: 7, retention: 'forever' });
    await log.close();
    const start = () => openHost(config(), { service: 'test', logDestination });
    await expect(start()).rejects.toThrow(/millrace\.tracking\.decisions has 7 partitions, but the manifest has 4/);
    await expect(start()).rejects.toThrow(/7 partitions/);
  });

  test('a log that holds less than was read from it is refused, by the stored state and by the table, until they are away too', async () => {
    const open = async (): Promise<Host> => {
      const host = await openHost(config(), { service: 'test', logDestination });
      try {
        await host.domainLogs.open({ domain: 'tallies', aggregates: { tally } });
        return host;
      } catch (error) {
        await host.close();
        throw error;
      }
    };
    const before = await open();
    const domain = await before.domainLogs.open({ domain: 'tallies', aggregates: { tally } });
    const command: GrowTally = { type: 'GrowTally', by: 1 };
    await domain.handle('tally/a', command, { commandId: 'one', actor: 'ana', now: 1 });
    await domain.table?.barrier();
    await before.close();

    rmSync(join(temp.path, 'log'), { recursive: true });
    await expect(open()).rejects.toMatchObject({ code: 'MR_LOG_BEHIND', retryable: false });
    await expect(open()).rejects.toThrow(
      /tallies\.decisions\/\d ends at 0, and the stored state of tallies has read to 1\. .*MILLRACE_DATA_DIR/,
    );
    rmSync(join(temp.path, 'state'), { recursive: true });
    await expect(open()).rejects.toThrow(
      /ends at 0, and the table millrace\.decisions has read to 1\. .*the folder offline .* keep a copy/,
    );
    rmSync(join(temp.path, 'offline'), { recursive: true });
    await (await open()).close();
  });

  test('who adds a reader of such a log again is told again, and nobody is told to give up a topic that is not the platform’s', async () => {
    const host = await openHost(config(), { service: 'test', logDestination });
    try {
      await host.log.ensureTopic({ name: 'rides', partitions: 1, retention: 'forever' });
      await host.offline.command(
        `CREATE TABLE millrace.rides (_topic String, _partition UInt32, _offset UInt64) ENGINE = ReplacingMergeTree
         ORDER BY (_topic, _partition, _offset) SETTINGS non_replicated_deduplication_window = 100`,
      );
      await host.offline.insert('millrace.rides', [{ _topic: 'rides', _partition: 0, _offset: 4 }], 'rides');
      const project = () =>
        host.tables.add({
          ...{ name: 'rides.table', topic: 'rides', table: 'millrace.rides' },
          decode: (record) => ({ ok: true, value: record.value }),
          toRows: () => ({}),
        });
      for (let attempt = 0; attempt < 2; attempt++) {
        await expect(project()).rejects.toThrow(
          /rides\/0 ends at 0, and the table millrace\.rides has read to 5\. .*give the source another topic.*take away the table millrace\.rides/,
        );
      }
      await host.offline.command('TRUNCATE TABLE millrace.rides');
      await host.offline.insert(
        'millrace.rowless_tails',
        [{ table_name: 'millrace.rides', topic: 'rides', partition: 0, after: 0, next: 3 }],
        'tail',
      );
      await expect(project()).rejects.toThrow(/has read to 3/);
      await host.offline.command('TRUNCATE TABLE millrace.rowless_tails');
      const projection = await project();
      expect(await project()).toBe(projection);
    } finally {
      await host.close();
    }
  });

  test('a consumer that readiness does not wait for is held against the log as well, and goes on once its place is mended', async () => {
    const host = await openHost(config(), { service: 'test', logDestination });
    try {
      await host.log.ensureTopic({ name: 'rides', partitions: 1, retention: 'forever' });
      let place = 5;
      const consumer = await host.consumers.add({
        ...{ name: 'rides.online', topic: 'rides', mustCatchUp: false, from: () => place },
        decode: (record) => ({ ok: true, value: record.value }),
        handle: () => Promise.resolve({ kind: 'ok' as const }),
      });
      const check = async () => (await host.health.readiness()).checks.find(({ name }) => name === 'rides.online');
      await waitFor(async () => (await check())?.ok === false);
      expect((await check())?.detail).toMatch(/rides\/0 ends at 0, and rides\.online has read to 5\. .*the folder online/);
      place = 0;
      await waitFor(async () => (await check())?.ok === true);
      await host.consumers.remove(consumer);
      expect(await check()).toBeUndefined();
    } finally {
      await host.close();
    }
  });

  test('a damaged log is refused before LMDB can die of it; a damaged online store is made anew', async () => {
    const open = () => openHost(config(), { service: 'test', logDestination });
    const key = Buffer.from('k');
    const before = await open();
    await before.online.writeMany([{ key, value: Buffer.alloc(3_000_000) }]);
    await before.close();
    const online = join(temp.path, 'online', 'data.mdb');
    truncateSync(online, 20_000);
    const again = await open();
    expect(await again.online.getMany([key])).toEqual([null]);
    expect(lines.map((line) => line['reason'])).toContainEqual(expect.stringMatching(/cut short: it has 20000 bytes of \d+/));
    await again.log.append([{ topic: 'millrace.resources.decisions', key: null, value: Buffer.alloc(3_000_000) }]);
    await again.close();

    const log = join(temp.path, 'log', 'log.mdb');
    const whole = readFileSync(log);
    truncateSync(log, 40_960);
    await expect(open()).rejects.toThrow(/log\.mdb is damaged: it is cut short: .*Put it back from a backup/);
    writeFileSync(log, Buffer.concat([Buffer.alloc(8192, 0xa5), whole.subarray(8192)]));
    await expect(open()).rejects.toMatchObject({ code: 'MR_LOG_DAMAGED' });
    writeFileSync(log, whole);
    await (await open()).close();
  });

  test('a dependency that cannot be reached is named with its variable', async () => {
    const start = openHost(config({ MILLRACE_REDIS_URL: 'redis://127.0.0.1:1', MILLRACE_CONNECT_DEADLINE: '1s' }), {
      service: 'test',
      logDestination,
    });
    await expect(start).rejects.toThrow(
      /the online store \(Redis at 127\.0\.0\.1:1\) could not be opened within 1000 ms: .*See MILLRACE_REDIS_URL/,
    );
    expect(lines.some((line) => line['level'] === 'warn' && String(line['msg']).includes('cannot be reached yet'))).toBe(true);
  });

  test('an address, a folder or a file that cannot be used is told by its variable', async () => {
    const start = (more: Record<string, string>) => bootstrap(EmptyModule, config(more), { logDestination });
    await expect(start({ MILLRACE_HOST: '192.0.2.1' })).rejects.toThrow(
      /MILLRACE_HOST is 192\.0\.2\.1, which is no address .*EADDRNOTAVAIL/,
    );
    await expect(start({ MILLRACE_ARTIFACTS: 'file:/dev/null' })).rejects.toThrow(
      /MILLRACE_ARTIFACTS names a folder that cannot be written to/,
    );
    await expect(start({ MILLRACE_ARTIFACTS: 'file:/proc/none' })).rejects.toThrow(/MILLRACE_ARTIFACTS names a folder .*ENOENT/);
    const kafka = { MILLRACE_KAFKA_BROKERS: '127.0.0.1:1', MILLRACE_KAFKA_TLS: 'true', MILLRACE_KAFKA_TLS_CA: join(temp.path, 'none.pem') };
    await expect(start(kafka)).rejects.toThrow(/MILLRACE_KAFKA_TLS_CA names a file that cannot be read: .*ENOENT/);
  });

  test('a broker that ends what is not in its protocol is told with the variables that choose the protocol', async () => {
    const broker = createServer((socket) => socket.on('error', () => undefined).destroy()).listen(0, '127.0.0.1');
    await once(broker, 'listening');
    const address = `127.0.0.1:${(broker.address() as AddressInfo).port}`;
    const start = bootstrap(EmptyModule, config({ MILLRACE_KAFKA_BROKERS: address, MILLRACE_CONNECT_DEADLINE: '1s' }), { logDestination });
    await expect(start).rejects.toThrow(/See MILLRACE_KAFKA_BROKERS; a listener that wants TLS \(MILLRACE_KAFKA_TLS\) or a password/);
    broker.close();
  });

  test('a port that is taken ends the start and closes what was opened', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await expect(bootstrap(EmptyModule, config({ MILLRACE_PORT: String(port) }), { logDestination })).rejects.toThrow(
      /is taken by another process; .*MILLRACE_PORT/,
    );
    taken.close();
    const running = await bootstrap(EmptyModule, config(), { logDestination });
    await running.close();
  });

  test('what a module cannot open is told in its own words, not as the server’s port', async () => {
    await expect(bootstrap(FaultyModule, config(), { logDestination })).rejects.toMatchObject({
      code: 'MR_TEST',
      message: 'the port of something else is taken',
    });
  });

  test('things are closed in order: consumers, replicas, stores, log', async () => {
    const order: string[] = [];
    const running = await bootstrap(EmptyModule, config(), { logDestination });
    const { lifecycle } = running.host;
    for (const phase of ['log', 'stores', 'replicas', 'projections', 'consumers'] as const)
      lifecycle.add(phase, 'probe', () => void order.push(phase));
    await Promise.all([running.close(), running.close()]);
    expect(order).toEqual(['consumers', 'projections', 'replicas', 'stores', 'log']);
  });

  test('readiness names the dependency that is missing; liveness the part that is dead', async () => {
    const running = await bootstrap(EmptyModule, config(), { logDestination });
    await waitFor(async () => (await fetch(`${running.url}/readyz`)).ok);
    running.host.health.dependency('the-moon', () => Promise.reject(new Error('no answer')));
    const readiness = await fetch(`${running.url}/readyz`);
    expect(readiness.status).toBe(503);
    expect(await readiness.json()).toMatchObject({ status: 'not ready', missing: [{ name: 'the-moon', ok: false, detail: 'no answer' }] });
    running.host.health.fatal('test.consumer', 'died');
    const liveness = await fetch(`${running.url}/healthz`);
    expect(liveness.status).toBe(503);
    expect(await liveness.json()).toEqual({ status: 'dead', fatal: [{ name: 'test.consumer', reason: 'died' }] });
    await running.close();
  });

  test('what troubles one part is told by readiness and the status, and takes nobody out', async () => {
    const short = 'the disk of /files has 3 MiB left';
    let left: string | undefined;
    const artifacts = async (): Promise<ArtifactStore> => {
      const real = await FilesystemArtifactStore.open(join(temp.path, 'files'));
      real.shortage = () => Promise.resolve(left);
      return real;
    };
    const running = await bootstrap(EmptyModule, config(), { logDestination, adapters: { artifacts } });
    await waitFor(async () => (await fetch(`${running.url}/readyz`)).ok);
    expect(await (await fetch(`${running.url}/readyz`)).json()).toMatchObject({ status: 'ready', warnings: [] });
    left = short;
    const warned = async () => (await fetch(`${running.url}/readyz`).then((answer) => answer.text())).includes(short);
    await waitFor(warned);
    const readiness = await fetch(`${running.url}/readyz`);
    const warnings = [{ name: 'artifact-store', detail: short }];
    expect([readiness.status, await readiness.json()]).toMatchObject([200, { status: 'ready', missing: [], warnings }]);
    expect((await running.host.health.readiness()).warnings).toEqual(warnings);
    left = undefined;
    await waitFor(async () => !(await warned()));
    await running.close();
  });

  test('a log that stops answering makes the process unready, not dead', async () => {
    let answers = true;
    const log = async (): Promise<EventLog> => {
      const real = await LmdbEventLog.open({ path: join(temp.path, 'log', 'log.mdb') });
      const ping = real.ping.bind(real);
      real.ping = () => (answers ? ping() : Promise.reject(new Error('the broker is away')));
      return real;
    };
    const running = await bootstrap(EmptyModule, config(), { logDestination, adapters: { log } });
    await waitFor(async () => (await fetch(`${running.url}/readyz`)).ok);
    answers = false;
    await waitFor(async () => (await (await fetch(`${running.url}/readyz`)).text()).includes('the broker is away'));
    expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
    await running.close();
  });

  test('beyond the limit of requests in flight there is a 503 with Retry-After, but probes get through', async () => {
    const running = await bootstrap(WaitingModule, config({ MILLRACE_MAX_IN_FLIGHT: '2' }), { logDestination });
    const module = running.app.get(WaitingModule);
    const waiting = [fetch(`${running.url}/wait`), fetch(`${running.url}/wait`)];
    await waitFor(() => module.waiting.length === 2);
    const refused = await fetch(`${running.url}/wait`);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ code: 'MR_HTTP_OVERLOADED' });
    expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
    for (const release of module.waiting) release();
    expect((await Promise.all(waiting)).map((response) => response.status)).toEqual([200, 200]);
    module.isOpen = true;
    expect((await fetch(`${running.url}/wait`)).status).toBe(200);
    await running.close();
  });

  test('a request that runs when the stop begins is answered', async () => {
    const running = await bootstrap(WaitingModule, config(), { logDestination });
    const module = running.app.get(WaitingModule);
    const waiting = fetch(`${running.url}/wait`);
    await waitFor(() => module.waiting.length === 1);
    const closing = running.close();
    for (const release of module.waiting) release();
    expect((await waiting).status).toBe(200);
    await closing;
    await expect(fetch(`${running.url}/wait`)).rejects.toThrow();
  });
});

@Module({})
class WaitingModule {
  readonly waiting: (() => void)[] = [];
  isOpen = false;

  constructor(private readonly host: HttpAdapterHost) {}

  onModuleInit(): void {
    rawRoutes(this.host, { body: 'json' }, (scope) => {
      scope.get('/wait', async () => {
        if (!this.isOpen) await new Promise<void>((resolve) => this.waiting.push(resolve));
        return { waited: true };
      });
    });
  }
}
