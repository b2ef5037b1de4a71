import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { trackingConfig, TrackingModule } from './index.js';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, each looked at by its test
  readonly body: any;
}

describe('what is asked of traces, logged models, records of datasets and histories, page by page', () => {
  let directory: TempDir;
  let running: RunningService;
  let experimentId: string;
  let made = 0;

  async function call(method: string, path: string, body?: object): Promise<Answer> {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(`${running.url}/api/${path}`, { method, ...sent });
    return { status: response.status, body: await response.json() };
  }

  const newExperiment = async () =>
    (await call('POST', '2.0/mlflow/experiments/create', { name: `e${++made}` })).body.experiment_id as string;

  /** A trace whose id is its name. */
  async function newTrace(trace_id: string, second: number, more: object = {}): Promise<void> {
    const trace_info = {
      ...{ trace_id, request_time: `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`, state: 'OK' },
      ...{ trace_location: { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: experimentId } }, ...more },
    };
    expect((await call('POST', '3.0/mlflow/traces', { trace: { trace_info } })).status).toBe(200);
  }

  async function search(more: object = {}): Promise<{ ids: string[]; token: string | undefined }> {
    const { status, body } = await call('POST', '3.0/mlflow/traces/search', {
      locations: [{ mlflow_experiment: { experiment_id: experimentId } }],
      ...more,
    });
    expect([status, body]).toEqual([200, expect.anything()]);
    return {
      ids: ((body.traces ?? []) as { trace_id: string }[]).map((one) => one.trace_id),
      token: body.next_page_token as string | undefined,
    };
  }

  /** Everything, in pages of two, with something done after each. */
  async function paged(more: object, between: (page: readonly string[]) => Promise<void>): Promise<string[]> {
    const seen: string[] = [];
    for (let page_token: string | undefined = ''; page_token !== undefined;) {
      const { ids, token } = await search({ ...more, max_results: 2, page_token });
      seen.push(...ids);
      page_token = token;
      await between(ids);
    }
    return seen;
  }

  beforeAll(async () => {
    directory = await tempDir('trace-search');
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

  test('traces that come or go between two pages neither repeat nor hide another', async () => {
    experimentId = await newExperiment();
    for (let second = 0; second < 7; second++) await newTrace(`t${second}`, second);
    let added = 30;
    const seen = await paged({}, () => newTrace(`later${++added}`, added));
    expect(seen).toEqual(['t6', 't5', 't4', 't3', 't2', 't1', 't0']);
    const cleaned = await paged({}, async (request_ids) => {
      await call('POST', '3.0/mlflow/traces/delete-traces', { experiment_id: experimentId, request_ids });
    });
    expect([cleaned.length, (await search()).ids]).toEqual([7 + 4, []]);
  }, 60_000);

  test('in every order a page begins where the one before ended', async () => {
    experimentId = await newExperiment();
    const of = (index: number) => ({
      ...(index % 3 === 0 ? {} : { tags: { 'mlflow.traceName': `n${index % 2}`, t: String(index % 2) } }),
      ...(index % 2 === 0 ? {} : { execution_duration: `${index % 4}s`, trace_metadata: { m: `${9 - index}` } }),
    });
    for (let index = 0; index < 6; index++) await newTrace(`o${index}`, 5 - (index % 3), of(index));
    for (const order_by of [
      ['name'],
      ['tags.t DESC', 'timestamp ASC'],
      ['metadata.m'],
      ['execution_time DESC'],
      ['end_time', 'trace_id DESC'],
      ['status'],
    ]) {
      const whole = (await search({ order_by })).ids;
      expect(whole).toHaveLength(6);
      expect(await paged({ order_by }, () => Promise.resolve())).toEqual(whole);
    }
    expect((await search({ order_by: ['metadata.m'] })).ids).toEqual(['o5', 'o3', 'o1', 'o0', 'o4', 'o2']);
    const { token } = await search({ max_results: 1 });
    const other = { locations: [{ mlflow_experiment: { experiment_id: experimentId } }], order_by: ['name'], page_token: token };
    expect((await call('POST', '3.0/mlflow/traces/search', other)).body.message).toMatch(/^Invalid page token/);
  }, 60_000);

  test('traces are found by their spans, assessments, issues and prompts', async () => {
    experimentId = await newExperiment();
    const hex = (index: number) => String(index).padStart(32, 'a');
    const ids = [1, 2].map((index) => `tr-${hex(index)}`);
    const span = (trace: number, id: number, name: string, code: number, attributes: Record<string, object>) => ({
      ...{ traceId: hex(trace), spanId: String(id).padStart(16, '0'), name, status: { code } },
      ...(id === 1 ? {} : { parentSpanId: '1'.padStart(16, '0') }),
      ...{ startTimeUnixNano: '1767225600000000000', endTimeUnixNano: '1767225601000000000' },
      attributes: Object.entries(attributes).map(([key, value]) => ({ key, value })),
    });
    const spans = [
      span(1, 1, 'root', 1, { 'mlflow.spanType': { stringValue: '"CHAIN"' } }),
      span(1, 2, 'look up', 2, { 'mlflow.spanType': { stringValue: '"RETRIEVER"' }, hits: { intValue: '3' }, ok: { boolValue: true } }),
      span(2, 1, 'root', 0, { 'mlflow.spanType': { stringValue: '"AGENT"' }, who: { stringValue: 'ann' } }),
      span(2, 2, 'look up', 1, {}),
    ];
    const sent = await fetch(`${running.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': experimentId },
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
    });
    expect(sent.status).toBe(200);
    const assess = async (trace: number, assessment: object) => {
      const { status, body } = await call('POST', `3.0/mlflow/traces/${ids[trace - 1] ?? ''}/assessments`, { assessment });
      expect(status).toBe(200);
      return body.assessment.assessment_id as string;
    };
    await assess(1, { assessment_name: 'q', feedback: { value: 'over' } });
    await assess(1, { assessment_name: 'score', feedback: { value: 0.25 } });
    await assess(1, { assessment_name: 'e', expectation: { value: { answer: 4 } } });
    const first = await assess(2, { assessment_name: 'q', feedback: { value: true } });
    await assess(2, { assessment_name: 'iss-1', issue: { issue_name: 'slow' } });
    const prompt_versions = [{ name: 'pr', version: '1' }];
    await call('POST', '2.0/mlflow/traces/link-prompts', { trace_id: ids[0], prompt_versions });
    const found = async (filter: string) => (await search({ filter })).ids.map((id) => ids.indexOf(id) + 1).sort();
    const cases: [string, number[]][] = [
      ["span.name = 'look up'", [1, 2]],
      ["span.name = 'look up' AND span.status = 'ERROR'", [1]],
      ["span.name = 'root' AND span.status = 'ERROR'", []],
      ["span.status = 'UNSET'", [2]],
      ["span.type IN ('AGENT', 'CHAIN')", [1, 2]],
      ["span.type = 'RETRIEVER'", [1]],
      ["span.attributes.hits = '3'", [1]],
      ["span.attributes.ok = 'true' AND span.name LIKE 'look%'", [1]],
      ["span.attributes.`who` ILIKE 'A%'", [2]],
      ["span.attributes.who != 'bob'", [2]],
      ["span.content LIKE '%ann%'", [2]],
      ["span.name RLIKE '^look (up|down)$'", [1, 2]],
      ["span.name RLIKE '^LOOK'", []],
      ["span.name RLIKE 'ook' AND span.status = 'ERROR'", [1]],
      ["span.type RLIKE 'AGENT|CHAIN'", [1, 2]],
      ["span.attributes.who RLIKE '^a.n$'", [2]],
      ["span.attributes.hits RLIKE '[0-9]'", [1]],
      ["trace.name RLIKE '^r.*t$'", [1, 2]],
      [`trace_id RLIKE '1$'`, [1]],
      ['tags.`mlflow.linkedPrompts` RLIKE \'"pr"\'', [1]],
      ["feedback.q RLIKE '^(over|under)$'", [1]],
      ["expectation.e RLIKE 'answer.*4'", [1]],
      ["feedback.q = 'over'", [1]],
      ["feedback.q = 'true'", [2]],
      ["feedback.q != 'over'", [2]],
      ['feedback.score > 0.2', [1]],
      ['feedback.score > 0.3', []],
      ['feedback.q > 0', []],
      ['feedback.score IS NULL', [2]],
      ['feedback.q IS NOT NULL', [1, 2]],
      ["expectation.e LIKE '%4%'", [1]],
      ['expectation.q IS NOT NULL', []],
      ["issue.id = 'iss-1'", [2]],
      ["prompt = 'pr/1'", [1]],
      ["prompt = 'pr/2'", []],
      ['tags.`mlflow.linkedPrompts` IS NULL', [2]],
      ['end_time > 1767225600999', [1, 2]],
      ['end_time_ms > 1767225601000', []],
    ];
    for (const [filter, expected] of cases) expect([filter, await found(filter)]).toEqual([filter, expected]);
    const wrong = await call('POST', '3.0/mlflow/traces/search', {
      locations: [{ mlflow_experiment: { experiment_id: experimentId } }],
      filter: "tags.x RLIKE 'a(b'",
    });
    expect(wrong.body.message).toMatch(/^Invalid filter: RLIKE 'a\(b' is no regular expression \(RE2\): missing \)/);
    expect(await call('DELETE', `3.0/mlflow/traces/${ids[1] ?? ''}/assessments/${first}`)).toMatchObject({ status: 200 });
    expect(await found('feedback.q IS NOT NULL')).toEqual([1]);
    for (const filter of [
      "span.colour = 'red'",
      "issue.name = 'x'",
      "prompt = 'pr'",
      'feedback.q IN (1)',
      "thing.x = 'y'",
      'status IS NULL',
      "span.content RLIKE 'ann'",
      "trace.text RLIKE 'ann'",
      "timestamp_ms RLIKE '1'",
      'feedback.score RLIKE 1',
      "span.name RLIKE '('",
      `name RLIKE '${'a'.repeat(1001)}'`,
    ]) {
      const refused = await call('POST', '3.0/mlflow/traces/search', {
        locations: [{ mlflow_experiment: { experiment_id: experimentId } }],
        filter,
      });
      expect([filter, refused.status, refused.body.error_code]).toEqual([filter, 400, 'INVALID_PARAMETER_VALUE']);
    }
  }, 60_000);

  test('what a trace was not told meets no comparison; of its run it can be asked', async () => {
    experimentId = await newExperiment();
    const [bare, told, ofRun] = ['n1', 'n2', 'n3'].map((name) => `${name}-${experimentId}`) as [string, string, string];
    await newTrace(bare, 1);
    await newTrace(told, 2, { client_request_id: 'c1' });
    await newTrace(ofRun, 3, { client_request_id: 'c2', trace_metadata: { 'mlflow.sourceRun': 'r' } });
    const cases: [string, string[]][] = [
      ["client_request_id != 'c1'", [ofRun]],
      ["client_request_id NOT IN ('c1')", [ofRun]],
      ["client_request_id LIKE '%'", [ofRun, told]],
      ["client_request_id = 'c1'", [told]],
      ['run_id IS NULL', [told, bare]],
      ['attributes.run_id IS NOT NULL', [ofRun]],
      ["run_id = 'r'", [ofRun]],
    ];
    for (const [filter, ids] of cases) expect([filter, (await search({ filter })).ids]).toEqual([filter, ids]);
  }, 60_000);

  test('feedback of a session counts for all of its traces', async () => {
    experimentId = await newExperiment();
    const session = (name: string) => ({ trace_metadata: { 'mlflow.trace.session': name } });
    const [first, second, other, alone] = ['s1', 's2', 's3', 's4'].map((name) => `${name}-${experimentId}`) as [
      string,
      string,
      string,
      string,
    ];
    await newTrace(first, 1, session('a'));
    await newTrace(second, 2, session('a'));
    await newTrace(other, 3, session('b'));
    await newTrace(alone, 4);
    const assess = async (trace: string, assessment: object) =>
      expect((await call('POST', `3.0/mlflow/traces/${trace}/assessments`, { assessment })).status).toBe(200);
    const metadata = { 'mlflow.trace.session': 'a' };
    await assess(first, { assessment_name: 'mood', feedback: { value: 'good' }, metadata });
    await assess(other, { assessment_name: 'mood', feedback: { value: 'good' } });
    await assess(alone, { assessment_name: 'mood', feedback: { value: 'bad' }, metadata });
    expect((await search({ filter: "feedback.mood = 'good'" })).ids).toEqual([other, second, first]);
    expect((await search({ filter: "feedback.mood RLIKE '^b'" })).ids).toEqual([alone]);
    expect((await search({ filter: 'feedback.mood IS NULL' })).ids).toEqual([]);
    expect((await search({ filter: 'feedback.other IS NULL' })).ids).toHaveLength(4);
    await call('POST', '3.0/mlflow/traces/delete-traces', { experiment_id: experimentId, request_ids: [first] });
    expect((await search({ filter: 'feedback.mood IS NULL' })).ids).toEqual([second]);
  }, 60_000);

  test('a point that comes late moves nothing in a history', async () => {
    experimentId = await newExperiment();
    const run_id = (await call('POST', '2.0/mlflow/runs/create', { experiment_id: experimentId })).body.run.info.run_id as string;
    const log = (step: number, value: number | string = step) => ({ key: 'm', value, timestamp: 100 + step, step });
    const metrics = [log(0), log(1, 'NaN'), log(1, '-Infinity'), log(1, 0.1), log(2), log(3)];
    await call('POST', '2.0/mlflow/runs/log-batch', { run_id, metrics });
    const seen: unknown[] = [];
    for (let token: string | undefined = ''; token !== undefined;) {
      const query = new URLSearchParams({ run_id, metric_key: 'm', max_results: '2', page_token: token });
      const { body }: Answer = await call('GET', `2.0/mlflow/metrics/get-history?${query.toString()}`);
      seen.push(...(body.metrics as { step: number; value: unknown }[]).map(({ step, value }) => [step, value]));
      token = body.next_page_token as string | undefined;
      await call('POST', '2.0/mlflow/runs/log-batch', { run_id, metrics: [log(-seen.length)] });
    }
    const expected = [
      [0, 0],
      [1, '-Infinity'],
      [1, 0.1],
      [1, 'NaN'],
      [2, 2],
      [3, 3],
    ];
    expect(seen).toEqual(expected);
  }, 60_000);

  test('logged models and records of datasets likewise', async () => {
    experimentId = await newExperiment();
    const model = async (name: string) => {
      const { body } = await call('POST', '2.0/mlflow/logged-models', { experiment_id: experimentId, name });
      return body.model.info.model_id as string;
    };
    const models = [await model('a'), await model('b'), await model('c')];
    const seen: string[] = [];
    for (let page_token: string | undefined = ''; page_token !== undefined;) {
      const { body }: Answer = await call('POST', '2.0/mlflow/logged-models/search', {
        experiment_ids: [experimentId],
        max_results: 1,
        page_token,
      });
      seen.push(...(body.models as { info: { model_id: string } }[]).map(({ info }) => info.model_id));
      page_token = body.next_page_token as string | undefined;
      await model('later');
    }
    expect(seen).toEqual([...models].reverse());

    const created = await call('POST', '3.0/mlflow/datasets/create', { name: `d${made}`, experiment_ids: [experimentId] });
    const records = `3.0/mlflow/datasets/${created.body.dataset.dataset_id as string}/records`;
    const add = (questions: readonly number[]) =>
      call('POST', records, { records: JSON.stringify(questions.map((q) => ({ inputs: { q } }))) });
    await add([0, 1, 2, 3, 4]);
    const asked: number[] = [];
    for (let token: string | undefined = ''; token !== undefined;) {
      const { body }: Answer = await call('GET', `${records}?max_results=2&page_token=${token}`);
      const page = JSON.parse(body.records as string) as { dataset_record_id: string; inputs: { q: number } }[];
      asked.push(...page.map(({ inputs }) => inputs.q));
      token = body.next_page_token as string | undefined;
      await call('DELETE', records, { dataset_record_ids: page.map((one) => one.dataset_record_id) });
    }
    expect(asked.sort()).toEqual([0, 1, 2, 3, 4]);
  }, 60_000);
});
