import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { trackingConfig, TrackingModule } from './index.js';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, each looked at by its test
  readonly body: any;
}

const text = (stringValue: string) => ({ stringValue });
const count = (intValue: number) => ({ intValue });
const attributesOf = (pairs: Readonly<Record<string, object>>) => Object.entries(pairs).map(([key, value]) => ({ key, value }));
const tokens = (input: number, output: number, more: Readonly<Record<string, object>> = {}) => ({
  ...{ 'gen_ai.usage.input_tokens': count(input), 'gen_ai.usage.output_tokens': count(output), ...more },
});

describe('traces of which OpenTelemetry’s exporters send nothing but spans', () => {
  let directory: TempDir;
  let running: RunningService;
  let experimentId: string;
  let made = 0;

  async function call(method: string, path: string, body?: object): Promise<Answer> {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(`${running.url}/api/${path}`, { method, headers: { 'content-type': 'application/json' }, ...sent });
    const answer = await response.text();
    return { status: response.status, body: answer.startsWith('{') ? JSON.parse(answer) : answer };
  }

  const traceIdOf = (trace: number) => String(trace).padStart(32, 'a');
  const span = (trace: number, id: number, parent: number | undefined, attributes: Readonly<Record<string, object>> = {}) => ({
    ...{ traceId: traceIdOf(trace), spanId: String(id).padStart(16, '0'), name: parent === undefined ? `t${trace}` : 'part' },
    ...(parent === undefined ? {} : { parentSpanId: String(parent).padStart(16, '0') }),
    ...{ startTimeUnixNano: '1767225600000000000', endTimeUnixNano: '1767225601000000000', attributes: attributesOf(attributes) },
  });

  async function send(spans: readonly object[], resource: Readonly<Record<string, object>> = {}): Promise<void> {
    const sent = await fetch(`${running.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': experimentId },
      body: JSON.stringify({ resourceSpans: [{ resource: { attributes: attributesOf(resource) }, scopeSpans: [{ spans }] }] }),
    });
    expect(sent.status).toBe(200);
  }

  const infoOf = async (trace: number) =>
    (await call('GET', `3.0/mlflow/traces/tr-${traceIdOf(trace)}`)).body.trace.trace_info as {
      tags: Record<string, string>;
      trace_metadata: Record<string, string>;
    };
  const search = async (filter: string) => {
    const locations = [{ type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: experimentId } }];
    const { body } = await call('POST', '3.0/mlflow/traces/search', { locations, filter });
    return body.traces as { trace_id: string; tags: Record<string, string> }[];
  };
  async function measured(metric_name: string): Promise<Record<string, number>> {
    const { status, body } = await call('POST', '3.0/mlflow/traces/metrics', {
      ...{ experiment_ids: [experimentId], view_type: 'TRACES', metric_name, dimensions: ['trace_name'] },
      aggregations: [{ aggregation_type: 'SUM' }],
    });
    expect(status).toBe(200);
    const points = body.data_points as { dimensions: { trace_name: string }; values: { SUM: number } }[];
    return Object.fromEntries(points.map(({ dimensions, values }) => [dimensions.trace_name, values.SUM]));
  }

  beforeAll(async () => {
    directory = await tempDir('otlp-traces');
    const environment = {
      MILLRACE_DATA_DIR: directory.path,
      MILLRACE_PORT: '0',
      MILLRACE_CLICKHOUSE_PORT: '0',
      MILLRACE_LOG_LEVEL: 'error',
    };
    running = await bootstrap(TrackingModule, loadConfig([trackingConfig], environment));
  }, 120_000);

  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  beforeEach(async () => {
    experimentId = (await call('POST', '2.0/mlflow/experiments/create', { name: `e${++made}` })).body.experiment_id as string;
  });

  test('the resource’s attributes are their tags, and what the root names as tags goes over them', async () => {
    const resource = {
      ...{
        'service.name': text('shop'),
        'host.cpus': count(4),
        both: text('resource'),
        ratio: { doubleValue: 2 },
        on: { boolValue: true },
      },
      args: { arrayValue: { values: [text('a'), text('b')] } },
      // None of these is a tag.
      ...{ 'telemetry.sdk.name': text('opentelemetry'), 'mlflow.trace.spansLocation': text('elsewhere'), 'no!tag': text('x') },
      long: text('y'.repeat(9000)),
    };
    await send(
      [span(1, 2, 1), span(1, 1, undefined, { 'mlflow.traceTag.both': text('"user"'), 'mlflow.traceTag.team': text('core') })],
      resource,
    );
    await send([span(2, 1, undefined)]);
    expect((await infoOf(1)).tags).toEqual({
      ...{ 'service.name': 'shop', 'host.cpus': '4', both: 'user', team: 'core', ratio: '2.0', on: 'true', args: '["a", "b"]' },
      ...{ long: 'y'.repeat(8000), 'mlflow.traceName': 't1', 'mlflow.trace.spansLocation': 'TRACKING_STORE' },
    });
    expect((await infoOf(2)).tags).toEqual({ 'mlflow.traceName': 't2', 'mlflow.trace.spansLocation': 'TRACKING_STORE' });
    expect((await search("tags.`service.name` = 'shop'")).map(({ trace_id }) => trace_id)).toEqual([`tr-${traceIdOf(1)}`]);

    // A client's account leaves them, also where the trace is read without its spans.
    const trace_location = { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: experimentId } };
    const trace_info = { trace_id: `tr-${traceIdOf(1)}`, trace_location, request_time: '2026-01-01T00:00:00Z', state: 'OK' };
    await call('POST', '3.0/mlflow/traces', { trace: { trace_info: { ...trace_info, tags: { team: 'mine' } } } });
    expect((await search("tags.team = 'mine'"))[0]?.tags).toMatchObject({ 'service.name': 'shop', both: 'user', team: 'mine' });
  }, 60_000);

  test('their tokens are counted by span, once where one rests on another, and measured', async () => {
    await send([span(11, 2, 1, tokens(10, 3)), span(11, 3, 1, tokens(20, 4)), span(11, 1, undefined)]);
    // The innermost comes in a request of its own, and between it and the root that counts it lies a span without tokens.
    await send([span(12, 3, 2, tokens(7, 1))]);
    const cached = { 'gen_ai.usage.cache_read.input_tokens': count(5), 'gen_ai.usage.cache_creation.input_tokens': count(2) };
    await send([span(12, 2, 1), span(12, 1, undefined, tokens(8, 1, cached))]);
    await send([span(13, 1, undefined, { 'llm.token_count.prompt': count(6), 'llm.token_count.prompt_details.cache_read': count(4) })]);
    await send([span(14, 1, undefined)]);
    const told = async (trace: number) => JSON.parse((await infoOf(trace)).trace_metadata['mlflow.trace.tokenUsage'] ?? 'null') as unknown;
    expect(await told(11)).toEqual({ input_tokens: 30, output_tokens: 7, total_tokens: 37 });
    expect(await told(12)).toEqual({
      ...{ input_tokens: 8, output_tokens: 1, total_tokens: 9 },
      ...{ cache_read_input_tokens: 5, cache_creation_input_tokens: 2 },
    });
    expect(await told(13)).toEqual({ input_tokens: 6, output_tokens: 0, total_tokens: 0, cache_read_input_tokens: 4 });
    expect(await told(14)).toBeNull();
    expect(await measured('input_tokens')).toEqual({ t11: 30, t12: 8, t13: 6 });
    expect(await measured('total_tokens')).toEqual({ t11: 37, t12: 9, t13: 0 });
    expect(await measured('cache_read_input_tokens')).toEqual({ t12: 5, t13: 4 });
    expect(await measured('cache_creation_input_tokens')).toEqual({ t12: 2 });
  }, 60_000);

  test('a circle of spans, which nothing is above, ends', async () => {
    await send([span(21, 2, 3, tokens(1, 1)), span(21, 3, 4), span(21, 4, 3), span(21, 1, undefined, tokens(2, 2))]);
    expect(await measured('input_tokens')).toEqual({ t21: 3 });
  }, 60_000);
});
