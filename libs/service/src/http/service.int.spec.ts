import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readDeadLetter, RETRY, DEAD_LETTER, type LogRecord } from '@millrace/event-log';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { loadConfig } from '../config/config.js';
import { DomainLogs } from '../log/domain-logs.js';
import { tally } from '../testing/tally.js';
import { tallyService, TallyWitness } from '../testing/tally.module.js';
import { bootstrap, type RunningService } from './bootstrap.js';

const brokers = process.env['MILLRACE_TEST_KAFKA_BROKERS'] as string;

// Domains of their own, because the broker is shared with other tests.
const unique = () => `tally${Array.from({ length: 8 }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join('')}`;

describe.each([
  { on: 'the embedded log', more: {} },
  { on: 'Kafka', more: { MILLRACE_KAFKA_BROKERS: brokers } },
])('a service on $on', ({ more }) => {
  const name = unique();
  const { module, rings } = tallyService(name);
  let temp: TempDir;
  let service: RunningService;
  const lines: Record<string, unknown>[] = [];
  const environment = () => ({
    MILLRACE_DATA_DIR: temp.path,
    MILLRACE_PORT: '0',
    MILLRACE_MAX_BODY: '1MiB',
    MILLRACE_LOG_LEVEL: 'debug',
    ...more,
  });
  const start = () =>
    bootstrap(module, loadConfig([], environment()), {
      service: name,
      logDestination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    });

  beforeAll(async () => {
    temp = await tempDir('service');
    service = await start();
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  const witness = () => service.app.get(TallyWitness);
  const decisions = () => service.app.get(DomainLogs).open({ domain: name, aggregates: { tally } });
  const call = (method: string, path: string, options: { body?: unknown; headers?: Record<string, string> } = {}) =>
    fetch(`${service.url}${path}`, {
      method,
      headers: { ...(options.body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
  const grow = (name: string, by: number, headers: Record<string, string> = {}) =>
    call('POST', `/api/v1/tallies/${name}/grow`, { body: { by }, headers });

  test('becomes ready, and says of what', async () => {
    const ready = await waitFor(async () => {
      const response = await fetch(`${service.url}/readyz`);
      return response.status === 200 && ((await response.json()) as { checks: { name: string }[] });
    });
    expect(ready.checks.map((check) => check.name)).toEqual(
      expect.arrayContaining([
        'event-log',
        'online-store',
        'offline-store',
        'artifact-store',
        `${name}.replica`,
        `${name}.decisions`,
        `${name}.rings`,
        `${name}.bells`,
      ]),
    );
    expect(await (await fetch(`${service.url}/healthz`)).json()).toEqual({ status: 'ok', fatal: [] });
  });

  test('a command’s position makes a later read see it', async () => {
    const response = await grow('reads', 3);
    expect(response.status).toBe(201);
    const position = response.headers.get('millrace-position') as string;
    expect(position).toMatch(/^millrace\.tally[a-z]+\.decisions\/\d@\d+$/);
    const read = await call('GET', '/api/v1/tallies/reads', { headers: { 'at-least': position } });
    expect(await read.json()).toEqual({ count: 3 });
    const byQuery = await call('GET', `/api/v1/tallies/reads?at-least=${encodeURIComponent(position)}`);
    expect(await byQuery.json()).toEqual({ count: 3 });
  });

  test('the same Idempotency-Key gets the first reply', async () => {
    const headers = { 'idempotency-key': 'once-and-for-all' };
    const first = await grow('idempotent', 5, headers);
    const second = await grow('idempotent', 5, headers);
    expect(await second.json()).toEqual(await first.json());
    expect(second.headers.get('millrace-position')).toBe(first.headers.get('millrace-position'));
    expect(await (await call('GET', '/api/v1/tallies/idempotent')).json()).toEqual({ count: 5 });
  });

  test('accepted decisions come to listeners and to the analysts’ table', async () => {
    await grow('table', 7);
    expect(witness().grown).toContain(7);
    await (await decisions()).table?.barrier();
    const rows = await service.host.offline.query<{ type: string; sequence: string }>(
      `SELECT type, sequence FROM millrace.decisions FINAL WHERE subject = 'tally/table' AND domain = {name:String}`,
      { name },
    );
    expect(rows).toEqual([{ type: 'TallyGrown', sequence: '1' }]);
  });

  test('rejections, refusals and defects leave as problems', async () => {
    const full = await grow('full', 5000);
    expect(full.status).toBe(409);
    expect(full.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(await full.json()).toMatchObject({
      code: 'MR_TALLY_FULL',
      status: 409,
      title: 'Conflict',
      details: { count: 0 },
      instance: '/api/v1/tallies/full/grow',
    });
    expect((await grow('full', -1)).status).toBe(400);
    expect(await (await call('GET', '/api/v1/tallies/x/teapot')).json()).toMatchObject({ status: 418, details: { handle: 1 } });
    expect(await (await call('GET', '/nowhere?a=b')).json()).toMatchObject({
      ...{ status: 404, code: 'MR_HTTP_NOT_FOUND', instance: '/nowhere' },
      detail: 'there is no route GET /nowhere; GET /api/v1/openapi.json names all under /api/v1',
    });
    const unread = await call('GET', '/api/v1/tallies/%zz/teapot?a=b');
    expect([unread.status, unread.headers.get('content-type')]).toEqual([400, 'application/problem+json; charset=utf-8']);
    expect(await unread.json()).toMatchObject({
      ...{ status: 400, code: 'MR_HTTP_BAD_REQUEST', instance: '/api/v1/tallies/%zz/teapot', requestId: expect.any(String) },
      detail: 'the path has a % that is not followed by two hexadecimal digits; write %25 for a % itself',
    });
    const malformed = await fetch(`${service.url}/api/v1/tallies/x/grow`, {
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'application/json' },
    });
    expect(malformed.status).toBe(400);
    const badKey = await grow('full', 1, { 'idempotency-key': 'a b' });
    expect(await badKey.json()).toMatchObject({ code: 'MR_HTTP_IDEMPOTENCY_KEY' });
    const badPosition = await call('GET', '/api/v1/tallies/x', { headers: { 'at-least': 'nonsense' } });
    expect(await badPosition.json()).toMatchObject({ code: 'MR_POSITION_MALFORMED' });
    const foreign = await call('GET', '/api/v1/tallies/x', { headers: { 'at-least': 'other/0@1' } });
    expect(await foreign.json()).toMatchObject({ code: 'MR_POSITION_FOREIGN' });
  });

  test('a defect is logged with its stack and told without its text', async () => {
    const response = await call('GET', '/api/v1/tallies/x/defect');
    expect(response.status).toBe(500);
    const problem = (await response.json()) as { requestId: string };
    expect(JSON.stringify(problem)).not.toContain('secret');
    expect(response.headers.get('x-request-id')).toBe(problem.requestId);
    const line = lines.find((one) => one['requestId'] === problem.requestId);
    expect(line).toMatchObject({ level: 'error', err: { message: 'the secret is 42', stack: expect.stringContaining('tally.module') } });
  });

  test('bodies beyond the limit are refused, files are not bound by it', async () => {
    const big = 'x'.repeat(2 * 1024 * 1024);
    const refused = await call('POST', '/api/v1/tallies/x/grow', { body: { by: big } });
    expect(refused.status).toBe(413);
    const streamed = await fetch(`${service.url}/files/a/b`, { method: 'PUT', body: big });
    expect(await streamed.json()).toEqual({ bytes: big.length });
  });

  test('raw routes take their bodies and errors their own way', async () => {
    const untyped = await fetch(`${service.url}/v2/bytes`, { method: 'POST', body: Buffer.from('12345') });
    expect(await untyped.json()).toEqual({ bytes: 5 });
    const json = await fetch(`${service.url}/v2/bytes`, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'content-type': 'application/json' },
    });
    expect(await json.json()).toEqual({ bytes: 7 });
    const large = await fetch(`${service.url}/v2/bytes`, { method: 'POST', body: 'x'.repeat(101) });
    expect(large.status).toBe(400);
    const failed = await fetch(`${service.url}/v2/fail`, { method: 'POST' });
    expect(await failed.json()).toEqual({ error: 'Error: in its own words' });
    expect(await (await fetch(`${service.url}/json`, { method: 'POST', body: '[1]' })).json()).toMatchObject({ got: [1] });
    expect(await (await fetch(`${service.url}/json`, { method: 'POST', body: '{' })).json()).toMatchObject({
      status: 400,
      code: 'MR_HTTP_BAD_REQUEST',
    });
    expect(await (await fetch(`${service.url}/files/fail`)).json()).toMatchObject({ status: 500, code: 'MR_INTERNAL' });
  });

  test('@Projects gets ordered batches, @Reacts each record once it takes it', async () => {
    for (let i = 0; i < 5; i++) await call('POST', '/api/v1/tallies/ordered/ring');
    await waitFor(() => witness().reacted.length >= 5);
    await waitFor(() => witness().batches.flat().length >= 5);
    const offsets = witness().batches.flat();
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
  });

  test('RETRY, a throw, DEAD_LETTER and SKIP', async () => {
    const { answers, reacted } = witness();
    const before = reacted.length;
    answers.push(
      async () => RETRY('not yet', 1),
      async () => {
        throw new TypeError('a defect in the handler');
      },
      async () => DEAD_LETTER('cannot be taken'),
    );
    await call('POST', '/api/v1/tallies/refused/ring');
    await call('POST', '/api/v1/tallies/skipped/ring');
    await call('POST', '/api/v1/tallies/after/ring');
    await waitFor(() => reacted.slice(before).some((data) => (data as { name: string }).name === 'after'));
    await waitFor(() => answers.length === 0);
    await waitFor(async () => (await letters()).length > 0);
    expect(readDeadLetter((await letters())[0] as LogRecord)).toMatchObject({
      consumer: `${name}.bells`,
      code: 'REFUSED',
      reason: 'cannot be taken',
    });
    expect(lines.find((line) => (line['err'] as Error | undefined)?.message === 'a defect in the handler')).toMatchObject({
      level: 'error',
      consumer: `${name}.bells`,
    });
    expect(reacted.slice(before)).not.toContainEqual({ name: 'refused' });
  });

  test('what cannot be decoded goes to the dead letters once per consumer, and the consumers go on', async () => {
    const before = (await letters()).length;
    await service.host.log.append([{ topic: rings, key: 'poison', value: Buffer.from('not a fact') }]);
    const found = await waitFor(async () => {
      const all = await letters();
      return all.length >= before + 2 && all.slice(before);
    });
    expect(found.map((letter) => readDeadLetter(letter).consumer).sort()).toEqual([`${name}.bells`, `${name}.rings`]);
    expect(found.every((letter) => letter.value.toString() === 'not a fact')).toBe(true);
  });

  test('resources are applied, known to the process at once, and listed', async () => {
    const entity = {
      apiVersion: 'millrace.dev/v1',
      kind: 'Entity',
      metadata: { name },
      spec: { joinKeys: { origin: 'String' } },
    };
    const applied = await call('POST', '/api/v1/apply', { body: entity });
    expect(await applied.json()).toMatchObject({ documents: [{ kind: 'Entity', name, outcome: 'created', version: 1 }] });
    expect(service.host.resources.catalog.get('Entity', name)?.spec).toEqual({ joinKeys: { origin: 'String' } });
    expect(await (await call('POST', '/api/v1/apply', { body: entity })).json()).toMatchObject({ documents: [{ outcome: 'unchanged' }] });
    expect(await (await call('GET', `/api/v1/resources/Entity/${name}`)).json()).toMatchObject({ status: { version: 1 } });
    const refused = await call('POST', '/api/v1/apply', { body: { ...entity, spec: {} } });
    expect(refused.status).toBe(422);
  });

  test('/metrics counts it all', async () => {
    const text = await (await fetch(`${service.url}/metrics`)).text();
    const value = (metric: string, ...labels: string[]) => {
      const line = text.split('\n').find((one) => one.startsWith(`${metric}{`) && labels.every((label) => one.includes(label)));
      return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ')));
    };
    expect(value('millrace_commands_total', 'command="GrowTally"', 'outcome="accepted"')).toBe(3);
    expect(value('millrace_commands_total', 'outcome="repeated"')).toBe(1);
    expect(value('millrace_commands_total', 'outcome="rejected"')).toBe(2);
    expect(value('millrace_consumer_records_total', `consumer="${name}.bells"`, 'outcome="dead_lettered"')).toBe(2);
    expect(value('millrace_consumer_records_total', `consumer="${name}.bells"`, 'outcome="skipped"')).toBe(1);
    expect(value('millrace_consumer_retries_total', `consumer="${name}.bells"`)).toBe(2);
    expect(value('millrace_consumer_lag', `consumer="${name}.replica"`)).toBe(0);
    expect(value('millrace_consumer_last_record_age_seconds', `consumer="${name}.rings"`)).toBeGreaterThanOrEqual(0);
    expect(value('millrace_replica_records', `follower="${name}.replica"`, 'verdict="accepted"')).toBe(3);
    expect(value('millrace_http_request_seconds_count', 'route="/api/v1/tallies/:name/grow"', 'status="201"')).toBe(4);
    expect(value('millrace_projection_inserted_rows_total', `projection="${name}.decisions"`)).toBeGreaterThanOrEqual(1);
  });

  test('a restart finds everything where it was and repeats nothing', async () => {
    const { reacted } = witness();
    const seen = reacted.length;
    await service.close();
    service = await start();
    await waitFor(async () => (await fetch(`${service.url}/readyz`)).ok);
    expect(await (await call('GET', '/api/v1/tallies/idempotent')).json()).toEqual({ count: 5 });
    expect(service.host.resources.catalog.get('Entity', name)).toBeDefined();
    await call('POST', '/api/v1/tallies/again/ring');
    await waitFor(() => witness().reacted.length === 1);
    expect(witness().reacted).toEqual([{ name: 'again' }]);
    expect(seen).toBeGreaterThan(1);
  }, 60_000);

  async function letters(): Promise<LogRecord[]> {
    const found: LogRecord[] = [];
    const topic = `${rings}.dead-letters`;
    if ((await service.host.log.partitions(topic)) === undefined) return found;
    for await (const record of service.host.log.read(topic, 0, 0)) found.push(record);
    return found;
  }
});
