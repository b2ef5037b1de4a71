import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-base';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { once } from 'node:events';
import { connect } from 'node:net';
import { loadConfig } from '../config/config.js';
import { tallyService } from '../testing/tally.module.js';
import { bootstrap, type RunningService } from './bootstrap.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const { module: TallyModule, rings: RINGS } = tallyService('tally');
const CALLER = 'b7ad6b7169203331';

describe('a trace follows an event', () => {
  const exporter = new InMemorySpanExporter();
  const lines: Record<string, unknown>[] = [];
  let temp: TempDir;
  let service: RunningService;

  beforeAll(async () => {
    temp = await tempDir('tracing');
    const config = loadConfig([], {
      MILLRACE_DATA_DIR: temp.path,
      MILLRACE_PORT: '0',
      MILLRACE_TRACE_RATIO: '0',
      MILLRACE_LOG_LEVEL: 'warn',
    });
    service = await bootstrap(TallyModule, config, {
      spanExporter: exporter,
      logDestination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    });
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  const spans = () => exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === TRACE);
  const named = (name: string) => spans().find((span) => span.name === name);
  const post = (path: string, traceparent: string, body?: unknown) =>
    fetch(`${service.url}${path}`, {
      method: 'POST',
      headers: { traceparent, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  test('from the request through the command and the log to the projections', async () => {
    await post('/api/v1/tallies/traced/grow', `00-${TRACE}-${CALLER}-01`, { by: 1 });
    await waitFor(() => named('process tally.replica') && named('process tally.decisions'));

    const request = named('POST /api/v1/tallies/:name/grow');
    const command = named('command GrowTally');
    expect(request?.parentSpanContext?.spanId).toBe(CALLER);
    expect(command?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
    expect(named('process tally.replica')?.parentSpanContext?.spanId).toBe(command?.spanContext().spanId);
    expect(named('process tally.decisions')?.parentSpanContext?.spanId).toBe(command?.spanContext().spanId);
    const [record] = await records('millrace.tally.decisions');
    expect(record?.headers['ce_traceparent']).toBe(`00-${TRACE}-${command?.spanContext().spanId ?? ''}-01`);
  });

  test('from the request through a fact to its handlers', async () => {
    exporter.reset();
    await post('/api/v1/tallies/traced/ring', `00-${TRACE}-${CALLER}-01`);
    await waitFor(() => named('process tally.rings') && named('process tally.bells'));
    const append = named(`append ${RINGS}`);
    expect(named('process tally.bells')?.parentSpanContext?.spanId).toBe(append?.spanContext().spanId);
  });

  test('a request whose client leaves before the answer ends as an error', async () => {
    exporter.reset();
    const { hostname, port } = new URL(service.url);
    const socket = connect(Number(port), hostname);
    const headers = ['host: x', `traceparent: 00-${TRACE}-${CALLER}-01`, 'content-type: application/json', 'content-length: 9'];
    // The server's answer to it says that the request has begun.
    headers.push('expect: 100-continue');
    socket.write(`POST /api/v1/tallies/left/grow HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
    await once(socket, 'data');
    socket.destroy();
    const left = await waitFor(() => spans().find(({ kind }) => kind === SpanKind.SERVER));
    expect(left).toMatchObject({ attributes: { 'error.type': 'client_left' }, status: { code: SpanStatusCode.ERROR } });
    expect(spans()).toHaveLength(1);
  });

  test('log lines inside a span name its trace', async () => {
    await service.host.telemetry.span('work', { traceparent: `00-${TRACE}-${CALLER}-01` }, async () => service.host.logger.warn('inside'));
    expect(lines.find((line) => line['msg'] === 'inside')).toMatchObject({ trace_id: TRACE, service: 'tally' });
  });

  test('a trace that is not recorded costs its readers nothing, and is still passed on', async () => {
    exporter.reset();
    await post('/api/v1/tallies/quiet/grow', `00-${TRACE}-${CALLER}-00`, { by: 1 });
    const found = (await records('millrace.tally.decisions')).find((record) => record.key === 'tally/quiet');
    expect(found?.headers['ce_traceparent']).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
    expect(spans()).toEqual([]);
  });

  test('a malformed traceparent is not believed, and a new trace that is not recorded has no name', async () => {
    await post('/api/v1/tallies/liar/grow', '00-nonsense-01', { by: 1 });
    const found = (await records('millrace.tally.decisions')).find((record) => record.key === 'tally/liar');
    expect(found).toBeDefined();
    expect(found?.headers).not.toHaveProperty('ce_traceparent');
  });

  async function records(topic: string) {
    const found = [];
    const partitions = (await service.host.log.partitions(topic)) ?? 0;
    for (let partition = 0; partition < partitions; partition++)
      for await (const record of service.host.log.read(topic, partition, 0)) found.push(record);
    return found;
  }
});
