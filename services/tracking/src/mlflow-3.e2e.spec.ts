import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { trackingConfig, TrackingModule } from './index.js';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, each looked at by its test
  readonly body: any;
}

describe('what servers of MLflow 3 take and those of MLflow 2 did not', () => {
  let directory: TempDir;
  let running: RunningService;
  let experimentId: string;

  async function call(method: string, path: string, body?: object | string, userAgent = 'mlflow-python-client/3.17.2'): Promise<Answer> {
    const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const response = await fetch(`${running.url}/api/2.0/mlflow/${path}`, { method, headers: { 'user-agent': userAgent }, ...sent });
    return { status: response.status, body: await response.json() };
  }

  async function newRun(more: object = {}): Promise<string> {
    return (await call('POST', 'runs/create', { experiment_id: experimentId, ...more })).body.run.info.run_id as string;
  }
  const refused = (message: RegExp) => ({ status: 400, body: { message: expect.stringMatching(message) } });

  beforeAll(async () => {
    directory = await tempDir('mlflow-3');
    const environment = {
      ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_LOG_LEVEL: 'error' },
    };
    running = await bootstrap(TrackingModule, loadConfig([trackingConfig], environment));
    experimentId = (await call('POST', 'experiments/create', { name: 'e', tags: [{ key: 'k', value: 'v' }] })).body.experiment_id as string;
  }, 120_000);

  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  test('runs are found by whether they have a param or a tag at all', async () => {
    const [bare, full] = [await newRun({ run_name: 'null' }), await newRun({ run_name: 'null', tags: [{ key: 't', value: '' }] })];
    await call('POST', 'runs/log-parameter', { run_id: full, key: 'lr', value: '1' });
    const found = async (filter: string) => {
      const { body } = await call('POST', 'runs/search', { experiment_ids: [experimentId], filter: `run_name = 'null' AND ${filter}` });
      return ((body.runs ?? []) as { info: { run_id: string } }[]).map(({ info }) => info.run_id);
    };
    expect(await found('params.lr IS NULL')).toEqual([bare]);
    expect(await found('params.lr is not null and tags.t IS NOT NULL')).toEqual([full]);
    expect(await found('tags.t IS NULL')).toEqual([bare]);
    expect(await found('tags.none IS NOT NULL')).toEqual([]);
    const filter = 'metrics.m IS NULL';
    expect(await call('POST', 'runs/search', { experiment_ids: [experimentId], filter })).toMatchObject(
      refused(/only supported for tags and params/),
    );
  });

  test('a colon in the name of a metric, a param and a tag', async () => {
    const run_id = await newRun();
    const batch = {
      metrics: [{ key: 'val:loss', value: 1, timestamp: 1 }],
      params: [{ key: 'a:b', value: '1' }],
      tags: [{ key: 'x:y', value: 't' }],
    };
    expect(await call('POST', 'runs/log-batch', { run_id, ...batch })).toEqual({ status: 200, body: {} });
    const { body } = await call('POST', 'runs/search', {
      experiment_ids: [experimentId],
      filter: "metrics.val:loss = 1 AND params.`a:b` = '1' AND tags.x:y = 't'",
    });
    expect(body.runs).toMatchObject([{ info: { run_id }, data: { metrics: [{ key: 'val:loss' }], params: [{ key: 'a:b' }] } }]);
  });

  test('values of params and tags that are too long are cut, and refused to clients of MLflow 2', async () => {
    const [long, batch] = ['ä'.repeat(9000), (value: string) => ({ params: [{ key: 'p', value }], tags: [{ key: 't', value }] })];
    const valuesOf = async (run_id: string) => {
      const { params, tags } = (await call('GET', `runs/get?run_id=${run_id}`)).body.run.data as Record<
        string,
        { key: string; value: string }[]
      >;
      return [...(params ?? []), ...(tags ?? [])].filter(({ key }) => key === 'p' || key === 't').map(({ value }) => value);
    };
    const run_id = await newRun();
    for (let twice = 0; twice < 2; twice++) {
      expect(await call('POST', 'runs/log-batch', { run_id, ...batch(long) })).toEqual({ status: 200, body: {} });
    }
    expect(await valuesOf(run_id)).toEqual([long.slice(0, 6000), long.slice(0, 8000)]);
    const old = 'mlflow-python-client/2.9.2';
    const other = await newRun();
    expect(await call('POST', 'runs/log-batch', { run_id: other, ...batch(long) }, old)).toMatchObject(refused(/length limit of 6000/));
    expect(await call('POST', 'runs/set-tag', { run_id: other, key: 't', value: long }, old)).toMatchObject(
      refused(/length limit of 8000/),
    );
    expect(await valuesOf(other)).toEqual([]);
    const tag = { experiment_id: experimentId, key: 'long', value: 'x'.repeat(20_001) };
    expect(await call('POST', 'experiments/set-experiment-tag', tag)).toMatchObject(refused(/length limit of 20000/));
  });

  test('numbers as Python’s json writes them', async () => {
    const run_id = await newRun();
    expect((await call('POST', 'runs/log-metric', `{"run_id": "${run_id}", "key": "a", "value": NaN, "timestamp": 1}`)).status).toBe(200);
    const batch = `{"run_id": "${run_id}", "metrics": [{"key": "b", "value": -Infinity, "timestamp": 1, "step": 1}]}`;
    expect((await call('POST', 'runs/log-batch', batch)).status).toBe(200);
    const { metrics } = (await call('GET', `runs/get?run_id=${run_id}`)).body.run.data as { metrics: { key: string; value: string }[] };
    expect(metrics.map(({ key, value }) => [key, value]).sort()).toEqual([
      ['a', 'NaN'],
      ['b', '-Infinity'],
    ]);
    const wrong = await call('POST', 'runs/log-metric', `{"run_id": "${run_id}", "key": "a", "value": 1, "timestamp": NaN}`);
    expect(wrong).toMatchObject(refused(/Invalid value NaN for parameter 'timestamp'/));
  });

  test('some bytes of an artifact are sent to who asks for them', async () => {
    const run_id = await newRun();
    const [at, body] = [`/api/2.0/mlflow-artifacts/artifacts/${experimentId}/${run_id}/artifacts/f`, '0123456789'];
    await fetch(`${running.url}${at}`, { method: 'PUT', body });
    const ask = async (path: string, headers: Record<string, string>, method = 'GET') => {
      const response = await fetch(`${running.url}${path}`, { method, headers });
      const { status, headers: answered } = response;
      return [status, await response.text(), answered.get('content-length'), answered.get('content-range'), answered.get('accept-ranges')];
    };
    for (const path of [at, `/get-artifact?run_id=${run_id}&path=f`]) {
      expect(await ask(path, {})).toEqual([200, body, '10', null, 'bytes']);
      expect(await ask(path, { range: 'bytes=2-4' })).toEqual([206, '234', '3', 'bytes 2-4/10', 'bytes']);
      expect(await ask(path, { range: 'bytes=7-' })).toEqual([206, '789', '3', 'bytes 7-9/10', 'bytes']);
      expect(await ask(path, { range: 'bytes=-2' })).toEqual([206, '89', '2', 'bytes 8-9/10', 'bytes']);
      expect(await ask(path, { range: 'bytes=2-4', 'if-range': '"etag"' })).toEqual([200, body, '10', null, 'bytes']);
      expect(await ask(path, { range: 'bytes=10-' })).toEqual([
        416,
        expect.stringMatching(/range/),
        expect.anything(),
        'bytes */10',
        'bytes',
      ]);
      expect(await ask(path, { range: 'bytes=2-4' }, 'HEAD')).toEqual([200, '', '10', null, 'bytes']);
    }
  });

  test('no path leads out of a run', async () => {
    const run_id = await newRun();
    for (const path of ['/', '//', '/1', '..', '%2e%2e']) {
      expect(await call('GET', `artifacts/list?run_id=${run_id}&path=${encodeURIComponent(path)}`)).toMatchObject(
        refused(/^Invalid path$/),
      );
      const proxied = await fetch(`${running.url}/api/2.0/mlflow-artifacts/artifacts?path=${encodeURIComponent(path)}`);
      expect([path, proxied.status]).toEqual([path, 400]);
    }
  });

  test('experiments are found by id, and by whether they have a tag', async () => {
    const found = async (filter: string) => {
      const { body } = await call('POST', 'experiments/search', { max_results: 10, filter });
      return (body.experiments as { experiment_id: string }[]).map((one) => one.experiment_id).sort();
    };
    expect(await found('tags.k IS NOT NULL')).toEqual([experimentId]);
    expect(await found('tags.k IS NULL')).toEqual(['0']);
    expect(await found(`experiment_id = '${experimentId}'`)).toEqual([experimentId]);
    expect(await found(`experiment_id IN ('0', '${experimentId}')`)).toEqual(['0', experimentId]);
    expect(await call('POST', 'experiments/search', { max_results: 10, filter: 'name IS NULL' })).toMatchObject(
      refused(/only supported for tags/),
    );
  });

  describe('of traces', () => {
    const traces = async (method: string, path: string, body?: object): Promise<Answer> => {
      const response = await fetch(`${running.url}/api/3.0/mlflow/${path}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
      return { status: response.status, body: await response.json() };
    };
    const trace_id = 'tr-0123456789abcdef0123456789abcdef';
    const account = (assessments: readonly object[]) => ({
      trace: {
        trace_info: {
          ...{ trace_id, request_time: '2026-01-01T00:00:00Z', state: 'OK', assessments },
          trace_location: { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: experimentId } },
        },
      },
    });

    test('what was said of a trace while it went on is kept with its account, once', async () => {
      const said = { assessment_name: 'during', feedback: { value: 1 }, create_time: '2026-01-01T00:00:00Z' };
      const imported = { assessment_id: 'a-known', assessment_name: 'answer', expectation: { value: { a: 1 } }, valid: false };
      for (let twice = 0; twice < 2; twice++) {
        const { body } = await traces('POST', 'traces', account([said, imported]));
        expect(body.trace.trace_info.assessments).toEqual([
          expect.objectContaining({ ...said, trace_id, valid: true, assessment_id: expect.stringMatching(/^a-/) }),
          expect.objectContaining({ assessment_id: 'a-known', valid: false, expectation: { serialized_value: expect.anything() } }),
        ]);
      }
      const wrong = await traces('POST', 'traces', account([{ assessment_name: 'nothing' }]));
      expect(wrong).toMatchObject(refused(/one of feedback, expectation and issue/));
    });

    test('an assessment that is gone may be deleted again', async () => {
      for (let twice = 0; twice < 2; twice++)
        expect(await traces('DELETE', `traces/${trace_id}/assessments/a-known`)).toEqual({ status: 200, body: {} });
      const left = await traces('GET', `traces/${trace_id}`);
      expect(left.body.trace.trace_info.assessments).toMatchObject([{ assessment_name: 'during' }]);
    });

    test('its spans are shown the root first, and then as they began', async () => {
      const traceId = trace_id.slice(3);
      const span = (name: string, spanId: string, start: number, parentSpanId = '0000000000000001') => ({
        ...{ traceId, spanId, name, startTimeUnixNano: String(start), endTimeUnixNano: '9000' },
        ...(parentSpanId === '' ? {} : { parentSpanId }),
      });
      // As they end: the innermost first, the root last; and the root's clock is behind.
      const spans = [
        span('second', '0000000000000003', 3000),
        span('first', '0000000000000002', 1000),
        span('root', '0000000000000001', 2000, ''),
      ];
      for (const one of spans) {
        const sent = await fetch(`${running.url}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': experimentId },
          body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [one] }] }] }),
        });
        expect(sent.status).toBe(200);
      }
      const { body } = await traces('GET', `traces/get?trace_id=${trace_id}`);
      expect((body.trace.spans as { name: string }[]).map(({ name }) => name)).toEqual(['root', 'first', 'second']);
      const file = await fetch(`${running.url}/ajax-api/2.0/mlflow/get-trace-artifact?request_id=${trace_id}`);
      expect(((await file.json()) as { spans: object[] }).spans).toMatchObject([{ name: 'root' }, { name: 'first' }, { name: 'second' }]);
    });

    test('what spans of other conventions say is said in MLflow’s words, and of their trace', async () => {
      const [traceId, root, child] = ['f'.repeat(32), '0000000000000001', '0000000000000002'];
      const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
      const tokens = (input: number) => [
        { key: 'gen_ai.usage.input_tokens', value: { intValue: input } },
        { key: 'gen_ai.usage.output_tokens', value: { intValue: 1 } },
      ];
      const of = (spanId: string, attributes: readonly object[], more: object = {}) => ({
        ...{ traceId, spanId, name: spanId, startTimeUnixNano: '1', endTimeUnixNano: '2', attributes, ...more },
      });
      const spans = [
        // Its tokens are in those of the root.
        of(child, tokens(5), { parentSpanId: root }),
        of(root, [
          ...[text('openinference.span.kind', 'AGENT'), text('input.value', '{"q":1}'), text('output.value', 'yes')],
          ...[text('session.id', 's1'), text('user.id', 'u1'), ...tokens(7)],
        ]),
      ];
      const headers = { 'content-type': 'application/json', 'x-mlflow-experiment-id': experimentId };
      const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
      expect((await fetch(`${running.url}/v1/traces`, { method: 'POST', headers, body })).status).toBe(200);
      const found = await traces('POST', 'traces/search', {
        locations: [{ mlflow_experiment: { experiment_id: experimentId } }],
        filter: "metadata.`mlflow.trace.session` = 's1' AND metadata.`mlflow.trace.user` = 'u1' AND span.type = 'AGENT'",
      });
      expect(found.body.traces).toMatchObject([
        {
          ...{ trace_id: `tr-${traceId}`, request_preview: '{"q":1}', response_preview: 'yes' },
          trace_metadata: {
            ...{ 'mlflow.trace.session': 's1', 'mlflow.trace.user': 'u1' },
            'mlflow.trace.tokenUsage': '{"input_tokens":7,"output_tokens":1,"total_tokens":8}',
          },
        },
      ]);
    });

    test('an attachment of a trace is read back', async () => {
      const [id, none] = ['6f9619ff-8b86-4011-b42d-00c04fc964ff', '6f9619ff-8b86-4011-b42d-00c04fc964fe'];
      const { body } = await traces('GET', `traces/${trace_id}`);
      const at = (body.trace.trace_info.tags['mlflow.artifactLocation'] as string).replace('mlflow-artifacts:/', '');
      await fetch(`${running.url}/api/2.0/mlflow-artifacts/artifacts/${at}/attachments/${id}`, { method: 'PUT', body: 'PNG' });
      for (const version of ['2.0', '3.0']) {
        const get = (path: string, trace = trace_id) =>
          fetch(`${running.url}/ajax-api/${version}/mlflow/get-trace-artifact?request_id=${trace}&path=${path}`);
        const read = await get(id);
        expect([read.status, read.headers.get('content-type'), await read.text()]).toEqual([200, 'application/octet-stream', 'PNG']);
        expect([(await get(none)).status, (await get(id, 'tr-none')).status, (await get('..%2Fx')).status]).toEqual([404, 404, 400]);
      }
    });
  });

  test('logged models are ordered by what was measured on the dataset of a digest', async () => {
    const of = (await call('POST', 'experiments/create', { name: 'digests' })).body.experiment_id as string;
    const run_id = (await call('POST', 'runs/create', { experiment_id: of })).body.run.info.run_id as string;
    const named: string[] = [];
    for (const [name, on, off] of [
      ['a', 1, 3],
      ['b', 2, 2],
    ] as const) {
      const model_id = (await call('POST', 'logged-models', { experiment_id: of, name })).body.model.info.model_id as string;
      const measured = { run_id, model_id, key: 'acc', timestamp: 1, dataset_name: 'd' };
      for (const [dataset_digest, value] of Object.entries({ on, off })) {
        expect((await call('POST', 'runs/log-metric', { ...measured, dataset_digest, value })).status).toBe(200);
      }
      named.push(model_id);
    }
    const ordered = async (dataset_digest: string): Promise<string[]> => {
      const order_by = [{ field_name: 'metrics.acc', ascending: true, dataset_digest }];
      const { body } = await call('POST', 'logged-models/search', { experiment_ids: [of], order_by });
      return (body.models as { info: { model_id: string } }[]).map(({ info }) => info.model_id);
    };
    expect(await ordered('on')).toEqual(named);
    expect(await ordered('off')).toEqual([...named].reverse());
  });

  test('a dataset says of which types the fields of its records are', async () => {
    const ask = async (method: string, path: string, body?: object): Promise<Answer> => {
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const response = await fetch(`${running.url}/api/3.0/mlflow/datasets/${path}`, { method, ...sent });
      return { status: response.status, body: await response.json() };
    };
    const { body } = await ask('POST', 'create', { name: 'typed', experiment_ids: [experimentId] });
    const id = body.dataset.dataset_id as string;
    expect((await ask('GET', id)).body.dataset).not.toHaveProperty('schema');
    const first = { s: 'a', f: 1.5, i: 3, b: true, n: null, l: [1], o: { x: 1 } };
    const records = [
      { inputs: first, outputs: 'text', expectations: { z: [1] } },
      { inputs: { s: 1, later: 'x' }, outputs: 2 },
    ];
    await ask('POST', `${id}/records`, { records: JSON.stringify(records) });
    expect(JSON.parse((await ask('GET', id)).body.dataset.schema as string)).toEqual({
      inputs: { s: 'string', f: 'float', i: 'integer', b: 'boolean', n: 'null', l: 'array', o: 'object', later: 'string' },
      ...{ outputs: 'string', expectations: { z: 'array' }, version: '1.0' },
    });
  });

  test('a scorer that is code is refused, and a tag of a dataset that is null is left', async () => {
    const post = async (path: string, body: object, method = 'POST'): Promise<Answer> => {
      const response = await fetch(`${running.url}/api/3.0/mlflow/${path}`, { method, body: JSON.stringify(body) });
      return { status: response.status, body: await response.json() };
    };
    const register = (serialized_scorer: string) => post('scorers/register', { experiment_id: experimentId, name: 's', serialized_scorer });
    const code = { name: 's', call_source: 'return True' };
    expect(await register(JSON.stringify(code))).toMatchObject(refused(/Custom scorer registration/));
    expect(await register(JSON.stringify({ name: 's', parts: [code] }))).toMatchObject(refused(/Custom scorer registration/));
    expect(await register('{')).toMatchObject(refused(/valid JSON/));
    expect((await register(JSON.stringify({ name: 's', call_source: null }))).status).toBe(200);
    const { dataset } = (await post('datasets/create', { name: 'd', experiment_ids: [experimentId], tags: '{"a": "1"}' })).body;
    await post(`datasets/${dataset.dataset_id}/tags`, { tags: '{"a": null, "b": 2}' }, 'PATCH');
    const read = await (await fetch(`${running.url}/api/3.0/mlflow/datasets/${dataset.dataset_id}`)).json();
    expect(JSON.parse((read as { dataset: { tags: string } }).dataset.tags)).toMatchObject({ a: '1', b: '2' });
  });
});
