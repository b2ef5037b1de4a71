import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deadLetterOf } from '@millrace/event-log';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { Module } from '@nestjs/common';
import { once } from 'node:events';
import { connect } from 'node:net';
import { loadConfig } from '../config/config.js';
import { bootstrap, type RunningService } from '../http/bootstrap.js';
import type { RecordJson } from './record-json.js';

@Module({})
class EmptyModule {}

const SOURCE = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: parcels}
spec: {topic: parcels, eventTime: at, schema: {at: DateTime64(3), town: String}}
`;

describe('the log over HTTP', () => {
  let temp: TempDir;
  let service: RunningService;
  const decisions = 'millrace.resources.decisions';
  const get = (path: string) => fetch(`${service.url}${path}`);
  const apply = (text: string) => fetch(`${service.url}/api/v1/apply`, { method: 'POST', body: text });
  const page = async (path: string): Promise<{ lines: RecordJson[]; next: number; end: number }> => {
    const response = await get(path);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson; charset=utf-8']);
    const lines = (await response.text()).split('\n').filter((line) => line !== '');
    const header = (name: string): number => Number(response.headers.get(name));
    return {
      lines: lines.map((line) => JSON.parse(line) as RecordJson),
      next: header('millrace-next-offset'),
      end: header('millrace-end-offset'),
    };
  };
  /** Every decision there is, by partition. */
  const all = async (): Promise<RecordJson[]> => {
    const pages = await Promise.all([0, 1, 2, 3].map((partition) => page(`/api/v1/events/${decisions}?partition=${partition}`)));
    return pages.flatMap(({ lines }) => lines);
  };

  beforeAll(async () => {
    temp = await tempDir('events');
    const environment = { MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0' };
    service = await bootstrap(EmptyModule, loadConfig([], environment), { service: 'tour', logDestination: { write: () => undefined } });
    await waitFor(async () => (await get('/readyz')).status === 200);
    expect((await apply(SOURCE)).status).toBe(200);
    await service.host.log.ensureTopic({ name: 'parcels', partitions: 1, retention: 'forever' });
    await service.host.log.ensureTopic({ name: 'somebody-elses', partitions: 1, retention: 'forever' });
    await service.host.log.append([
      { topic: 'parcels', key: 'a', value: Buffer.from('{"town":"Bath"}'), timestamp: 1_000 },
      { topic: 'parcels', key: null, value: Buffer.from('not json') },
      { topic: 'parcels', key: 'c', value: Buffer.from([0xff, 0xfe]), headers: { 'x-from': 'afar' } },
    ]);
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  test('a decision is a line with its envelope and its data', async () => {
    expect(await all()).toEqual([
      expect.objectContaining({
        topic: decisions,
        offset: 0,
        key: 'resource/Source/parcels',
        subject: 'resource/Source/parcels',
        type: 'millrace.resources.ResourceApplied.v1',
        sequence: 1,
        actor: 'anonymous',
        data: expect.objectContaining({ kind: 'Source', name: 'parcels', version: 1 }) as unknown,
      }),
    ]);
  });

  test('a producer’s record is shown as it is: data, text, or bytes', async () => {
    const { lines, next, end } = await page('/api/v1/events/parcels');
    expect([next, end]).toEqual([3, 3]);
    expect(lines).toEqual([
      { topic: 'parcels', partition: 0, offset: 0, key: 'a', time: '1970-01-01T00:00:01.000Z', data: { town: 'Bath' } },
      expect.objectContaining({ offset: 1, key: null, text: 'not json' }),
      expect.objectContaining({ offset: 2, key: 'c', base64: '//4=' }),
    ]);
  });

  test('a page goes on where the last one ended', async () => {
    const first = await page('/api/v1/events/parcels?limit=2');
    expect([first.lines.length, first.next]).toEqual([2, 2]);
    const second = await page(`/api/v1/events/parcels?from=${first.next}`);
    expect(second.lines.map(({ offset }) => offset)).toEqual([2]);
    expect((await page('/api/v1/events/parcels?from=-1')).lines.map(({ offset }) => offset)).toEqual([2]);
    expect(await page('/api/v1/events/parcels?from=end')).toEqual({ lines: [], next: 3, end: 3 });
    expect((await page('/api/v1/events/parcels?from=900')).lines).toEqual([]);
  });

  test('a reader that waits gets the record when it comes', async () => {
    const waiting = page('/api/v1/events/parcels?from=end&wait=30000');
    const reader = page('/api/v1/events/parcels?from=3&wait=30000');
    await service.host.log.append([{ topic: 'parcels', key: 'd', value: Buffer.from('{"town":"Wells"}') }]);
    expect((await reader).lines).toEqual([expect.objectContaining({ offset: 3, data: { town: 'Wells' } })]);
    // The one that asked for the end may have asked before or after the append; another record answers it in either case.
    await service.host.log.append([{ topic: 'parcels', key: 'e', value: Buffer.from('{}') }]);
    expect((await waiting).lines.length).toBeGreaterThan(0);
  });

  test('waiting ends', async () => {
    expect((await page('/api/v1/events/parcels?from=end&wait=1')).lines).toEqual([]);
  });

  test('data stand as they were written, on one line', async () => {
    await service.host.log.append([{ topic: 'parcels', key: 'f', value: Buffer.from('{"id": 9007199254740993,\n "n": 1.0}') }]);
    const text = await (await get('/api/v1/events/parcels?from=-1')).text();
    expect(text).toMatch(/"data":\{"id":9007199254740993,"n":1\.0\}\}\n$/);
  });

  test('a dead letter says why it is one', async () => {
    const origin = { topic: 'parcels', partition: 0, offset: 1, key: null, value: Buffer.from('not json'), headers: {}, timestamp: 0 };
    const letter = deadLetterOf(origin, 'features.ingest', { code: 'UNDECODABLE', message: 'the value is not JSON' }, 2_000);
    await service.host.log.ensureTopic({ name: letter.topic, partitions: 1, retention: 'forever' });
    await service.host.log.append([letter]);
    const { lines } = await page('/api/v1/events/parcels.dead-letters');
    expect(lines).toEqual([
      expect.objectContaining({
        text: 'not json',
        deadLetter: {
          id: 'parcels/0@1',
          consumer: 'features.ingest',
          code: 'UNDECODABLE',
          reason: 'the value is not JSON',
          time: '1970-01-01T00:00:02.000Z',
        },
      }),
    ]);
  });

  test('topics are listed with where their partitions begin and end; foreign ones are not shown', async () => {
    const { topics } = (await (await get('/api/v1/events')).json()) as { topics: { name: string; kind: string; partitions: unknown[] }[] };
    expect(topics.find(({ name }) => name === 'parcels')).toMatchObject({ kind: 'source', partitions: [{ begin: 0, end: 6 }] });
    expect(topics.find(({ name }) => name === decisions)?.partitions).toHaveLength(4);
    expect(topics.map(({ name }) => name)).not.toContain('somebody-elses');
    expect((await get('/api/v1/events/somebody-elses')).status).toBe(404);
    expect((await get('/api/v1/events/millrace.inference.labels.dead-letters')).status).toBe(404);
  });

  test.each([
    ['partition=4', 'partition'],
    ['partition=x', 'partition'],
    ['', 'partition'],
    ['partition=0&from=yesterday', 'from'],
    ['partition=0&limit=0', 'limit'],
    ['partition=0&wait=60000', 'wait'],
  ])('%j is refused, naming %s', async (query, parameter) => {
    const response = await get(`/api/v1/events/${decisions}?${query}`);
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'MR_EVENTS_QUERY_INVALID', details: { parameter } }),
    ]);
  });

  test('status tells readiness, topics, dead letters and resources at a glance', async () => {
    expect(await (await get('/api/v1/status')).json()).toMatchObject({
      service: 'tour',
      live: true,
      ready: true,
      resources: { Source: 1, Entity: 0 },
      topics: expect.arrayContaining([{ name: decisions, kind: 'decisions', records: 1 }]) as unknown,
      deadLetters: [{ name: 'parcels.dead-letters', kind: 'dead-letters', records: 1 }],
    });
  });

  test('the topic of a source that is deleted stays to be read, with its dead letters', async () => {
    expect((await fetch(`${service.url}/api/v1/resources/Source/parcels`, { method: 'DELETE' })).status).toBe(200);
    const { topics } = (await (await get('/api/v1/events')).json()) as { topics: { name: string; kind: string; holds: string }[] };
    expect(topics.filter(({ name }) => name.startsWith('parcels')).map(({ name, kind, holds }) => [name, kind, holds])).toEqual([
      ['parcels', 'source', 'events of source parcels, as it was'],
      ['parcels.dead-letters', 'dead-letters', 'what could not be taken from parcels'],
    ]);
    expect((await page('/api/v1/events/parcels')).lines.length).toBeGreaterThan(0);
  });

  // Last, because it stops the process.
  test('a process that stops does not wait for those who wait, nor for a connection on which nothing is asked', async () => {
    const { hostname, port } = new URL(service.url);
    const silent = connect(Number(port), hostname);
    await once(silent, 'connect');
    silent.on('error', () => undefined);
    const asked = page(`/api/v1/events/${decisions}?partition=0&from=end&wait=30000`);
    await waitFor(async () => /millrace_http_in_flight\{[^}]*\} [1-9]/.test(await service.host.metrics.scrape()));
    await service.close();
    expect((await asked).lines).toEqual([]);
    silent.destroy();
  }, 20_000);
});
