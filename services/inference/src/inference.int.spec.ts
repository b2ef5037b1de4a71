import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig, bootstrap, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { delayModel, delayProbability, departures, FLIGHTS } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';

interface InferReply {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly outputs: readonly { name: string; datatype: string; shape: number[]; data: number[] }[];
  readonly error?: string;
}

describe('the gateway on the embedded log and stores', () => {
  let temp: TempDir;
  let service: RunningService;
  let models: PublishedModels;

  beforeAll(async () => {
    temp = await tempDir('inference');
    const environment = {
      MILLRACE_DATA_DIR: temp.path,
      MILLRACE_PORT: '0',
      MILLRACE_CLICKHOUSE_PORT: '0',
      MILLRACE_GRPC_PORT: '0',
      MILLRACE_LOG_LEVEL: 'error',
    };
    service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
    models = new PublishedModels(service.host);
    await models.register('delay', delayModel(0));
    await models.register('delay', delayModel(2));
    await models.alias('delay', 'champion', 1);
    await apply(`${FLIGHTS}---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: late}
spec: {model: models:/delay@champion, featureService: delay_model}
`);
    await departures(service.host, [
      { origin: 'ORD', departed: '2001-01-01T08:00:00Z', delay: 30 },
      { origin: 'ORD', departed: '2001-01-01T09:30:00Z', delay: 10 },
      { origin: 'JFK', departed: '2001-01-01T09:45:00Z', delay: 0 },
    ]);
    await ready('late');
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  const post = (path: string, body: object | string, headers: Record<string, string> = {}) =>
    fetch(`${service.url}${path}`, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const infer = async (model: string, body: object): Promise<InferReply & { status: number }> => {
    const response = await post(`/v2/models/${model}/infer`, body);
    return { status: response.status, ...((await response.json()) as InferReply) };
  };
  const apply = async (yaml: string): Promise<void> => {
    const response = await post('/api/v1/apply', yaml, { 'content-type': 'application/yaml' });
    if (!response.ok) throw new Error(await response.text());
  };
  const ready = (model: string) =>
    waitFor(async () => (await fetch(`${service.url}/v2/models/${model}/ready`)).ok, { what: `${model} to be ready` });
  const rows = <T>(sql: string) => service.host.offline.query<T>(sql);
  const input = (name: string, datatype: string, data: unknown[]) => ({ name, datatype, shape: [data.length], data });
  const tensors = (...data: number[][]) => ({ inputs: [{ name: 'input', datatype: 'FP32', shape: [data.length, 3], data }] });
  const byEntity = (origins: string[], distances: (number | null)[], parameters: object = {}) => ({
    parameters: { event_time: '2001-01-01T10:00:00Z', ...parameters },
    inputs: [input('origin', 'BYTES', origins), input('distance', 'FP32', distances)],
  });

  test('says what it is and how it does', async () => {
    const get = async (path: string): Promise<unknown> => (await fetch(`${service.url}${path}`)).json();
    expect(await get('/v2')).toEqual({
      name: 'millrace',
      version: '0.1.0',
      extensions: ['binary_tensor_data', 'model_repository', 'model_configuration', 'statistics', 'schedule_policy'],
    });
    expect(await get('/v2/health/live')).toEqual({ live: true });
    expect(await get('/v2/health/ready')).toEqual({ ready: true });
    expect(await get('/v2/models/late')).toEqual({
      name: 'late',
      // All that may be asked for by number; the first is the deployment's.
      versions: ['1', '2'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 3] }],
      outputs: [
        { name: 'probability', datatype: 'FP32', shape: [-1, 1] },
        { name: 'label', datatype: 'INT64', shape: [-1] },
      ],
      parameters: { feature_service: 'delay_model', 'join_key.origin': 'BYTES', 'request_feature.distance': 'FP32' },
    });
  });

  test('answers tensors, and gives a request id back', async () => {
    const reply = await infer('late', { id: 'mine', ...tensors([800, 20, 3], [500, 10, 1]) });
    expect(reply).toMatchObject({ status: 200, model_name: 'late', model_version: '1', id: 'mine' });
    expect(reply.outputs.map((output) => [output.name, output.shape])).toEqual([
      ['probability', [2, 1]],
      ['label', [2]],
    ]);
    expect(reply.outputs[0]?.data[0]).toBeCloseTo(delayProbability(0, 800, 20, 3), 5);
    expect(reply.outputs[1]?.data).toEqual([1, 1]);
  });

  test('answers entity keys with the features as of the time asked, in the order of the model', async () => {
    const reply = await infer('late', byEntity(['ORD', 'JFK', 'LAX'], [800, null, 100]));
    expect(reply.error).toBeUndefined();
    const [probability] = reply.outputs;
    expect(probability?.shape).toEqual([3, 1]);
    expect(probability?.data[0]).toBeCloseTo(delayProbability(0, 800, 20, 1), 5);
    // JFK's distance is missing (its mean and no indicator weight); LAX is unknown: all its features are missing.
    expect(probability?.data[1]).toBeCloseTo(delayProbability(0, 500, 0, 1), 5);
    expect(probability?.data[2]).toBeCloseTo(delayProbability(0, 100, null, 1), 5);
    const earlier = await infer('late', byEntity(['ORD'], [800], { event_time: Date.parse('2001-01-01T08:00:00Z') }));
    expect(earlier.outputs[0]?.data[0]).toBeCloseTo(delayProbability(0, 800, null, 0), 5);
  });

  test('records each prediction with what it rested on', async () => {
    const reply = await infer('late', byEntity(['ORD'], [800]));
    const id = reply.parameters['prediction_id'];
    expect(reply.id).toBe(id);
    const [row] = await waitFor(async () => {
      const found = await rows<Record<string, string>>(`SELECT * FROM millrace.predictions WHERE prediction_id = '${id}'`);
      return found.length > 0 && found;
    });
    expect(row).toMatchObject({
      deployment: 'late',
      model: 'delay',
      version: 1,
      unit: 'ORD',
      feature_service: 'delay_model',
      error_code: '',
    });
    expect(JSON.parse(row?.['features'] ?? '')).toEqual({ departures_1h: 1, delay_mean_6h: 20 });
    expect(JSON.parse(row?.['request'] ?? '')).toEqual({ distance: 800 });
    expect(JSON.parse(row?.['feature_positions'] ?? '')).toEqual({ origin_delays: { 0: 3 } });
    expect(Number(row?.['prediction'])).toBe(reply.outputs[0]?.data[0]);
  });

  test('a deployment that pins a version of its feature service is served as before, beside one that follows', async () => {
    await apply(`${FLIGHTS.replace(/window: 6h/g, 'window: 12h')}---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: pinned}
spec: {model: models:/delay@champion, featureService: delay_model@1}
`);
    await ready('pinned');
    const reply = await infer('pinned', byEntity(['ORD'], [800]));
    const id = reply.parameters['prediction_id'];
    const [row] = await waitFor(async () => {
      const found = await rows<Record<string, string>>(`SELECT * FROM millrace.predictions WHERE prediction_id = '${id}'`);
      return found.length > 0 && found;
    });
    expect(row).toMatchObject({ deployment: 'pinned', feature_service: 'delay_model@1' });
    expect(Object.keys(JSON.parse(row?.['feature_versions'] ?? '') as object)).toEqual(['origin_delays@1']);
    await apply(FLIGHTS);
  });

  test('labels join their predictions, by id or by unit and time; the latest truth stands', async () => {
    await apply(`
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: labelled}
spec: {model: models:/delay/1, featureService: delay_model}
`);
    await ready('labelled');
    const first = await infer('labelled', byEntity(['ORD', 'JFK'], [800, 100]));
    await infer('labelled', byEntity(['LAX'], [1], { event_time: '2001-01-01T12:00:00Z' }));
    const id = first.parameters['prediction_id'];
    const labels = [
      { predictionId: id, row: 0, value: 0, time: '2001-01-01T10:20:00Z' },
      { predictionId: id, row: 0, value: 1, time: '2001-01-01T10:40:00Z' },
      { unit: 'LAX', predictedAt: '2001-01-01T12:00:00Z', value: true, time: '2001-01-01T12:20:00Z' },
    ];
    const response = await post('/api/v1/deployments/labelled/labels', labels.map((label) => JSON.stringify(label)).join('\n'));
    expect(response.status).toBe(202);
    expect(response.headers.get('millrace-position')).toMatch(/^millrace\.inference\.labels\//);
    const joined = await waitFor(async () => {
      const found = await rows<{ unit: string; label: number | null }>(
        `SELECT unit, label FROM millrace.predictions_labelled WHERE deployment = 'labelled' ORDER BY unit`,
      );
      return found.length === 3 && found.filter((row) => row.label !== null).length === 2 && found;
    });
    expect(joined).toEqual([
      { unit: 'JFK', label: null },
      { unit: 'LAX', label: 1 },
      { unit: 'ORD', label: 1 },
    ]);
    // Of another deployment: nothing of this one's.
    const foreign = labels.map((label) => ({ ...label, value: 0, time: '2001-01-01T20:00:00Z' }));
    expect((await post('/api/v1/deployments/elsewhere/labels', foreign)).status).toBe(202);
    await waitFor(async () => (await rows(`SELECT * FROM millrace.labels WHERE deployment = 'elsewhere'`)).length === 3);
    expect(await rows(`SELECT unit, label FROM millrace.predictions_labelled WHERE deployment = 'labelled' ORDER BY unit`)).toEqual(joined);
    const refused = await post('/api/v1/deployments/labelled/labels', [{ value: 1 }]);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      code: 'MR_INFERENCE_LABEL_INVALID',
      detail: 'label 0: give predictionId, or unit and predictedAt',
    });
  });

  test('moves to another version when the alias does, without a failed request', async () => {
    await models.alias('delay', 'moving', 1);
    await apply(`
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: moving}
spec: {model: models:/delay@moving}
`);
    await ready('moving');
    let failed = 0;
    const seen = new Set<string>();
    let isMoved = false;
    const caller = async (): Promise<void> => {
      while (!isMoved) {
        const reply = await infer('moving', tensors([500, 10, 1]));
        if (reply.status !== 200) failed++;
        else {
          seen.add(reply.model_version);
          const expected = delayProbability(reply.model_version === '1' ? 0 : 2, 500, 10, 1);
          expect(reply.outputs[0]?.data[0]).toBeCloseTo(expected, 5);
          if (reply.model_version === '2') isMoved = true;
        }
      }
    };
    const callers = Promise.all([caller(), caller(), caller(), caller()]);
    await waitFor(() => seen.has('1'));
    await models.alias('delay', 'moving', 2);
    await callers;
    expect([failed, [...seen].sort()]).toEqual([0, ['1', '2']]);
  });

  test('serves any version on demand, also under the model name', async () => {
    const response = await post('/v2/models/late/versions/2/infer', tensors([500, 10, 1]));
    expect(((await response.json()) as InferReply).outputs[0]?.data[0]).toBeCloseTo(delayProbability(2, 500, 10, 1), 5);
    expect(await infer('delay', tensors([500, 10, 1]))).toMatchObject({ status: 200, model_version: '2' });
  });

  test.each<[string, string, object, number, RegExp]>([
    ['an unknown model', 'nobody', tensors([1, 2, 3]), 404, /no deployment "nobody"/],
    ['an unknown version', 'late/versions/9', tensors([1, 2, 3]), 404, /no version 9/],
    ['a wrong width', 'late', tensors([1, 2]), 400, /takes 3 there|expects FP32 \[-1,3\]/],
    [
      'a wrong datatype',
      'late',
      { inputs: [input('input', 'INT32', [1])] },
      400,
      /input "input" is INT32; the model expects FP32 \[-1,3\]/,
    ],
    [
      'a missing join key',
      'late',
      { inputs: [input('distance', 'FP32', [1])] },
      400,
      /input "origin" is missing; give the join keys "origin" and/,
    ],
    [
      'an unknown output',
      'late',
      { ...tensors([1, 2, 3]), outputs: [{ name: 'p' }] },
      400,
      /output "p" is unknown; the model gives "probability", "label"/,
    ],
    ['a time that is none', 'late', byEntity(['ORD'], [1], { event_time: 'yesterday' }), 400, /parameter "event_time" is "yesterday"/],
  ])('refuses %s', async (_name, model, body, status, message) => {
    const reply = await infer(model, body);
    expect([reply.status, reply.error]).toEqual([status, expect.stringMatching(message)]);
  });

  test('scores in MLflow’s format: by entity keys, by features, by rows', async () => {
    const score = async (body: object): Promise<{ status: number; body: unknown; id: string | null }> => {
      const response = await post('/api/v1/deployments/late/invocations', body);
      return { status: response.status, body: await response.json(), id: response.headers.get('millrace-prediction-id') };
    };
    const [ord, unknown] = [delayProbability(0, 800, 20, 1), delayProbability(0, 100, null, 0)];
    const record = (probability: number) => ({ probability: expect.closeTo(probability, 5), label: Number(probability > 0.5) });
    const byKeys = { columns: ['origin', 'distance'], data: [['ORD', 800]] };
    const answer = await score({ dataframe_split: byKeys, params: { event_time: '2001-01-01T10:00:00Z' } });
    expect(answer).toEqual({ status: 200, body: { predictions: [record(ord)] }, id: expect.any(String) });
    const features = { departures_1h: 1, delay_mean_6h: 20, distance: 800, ignored: 'yes' };
    expect((await score({ dataframe_records: [features, { departures_1h: 0, distance: 100 }] })).body).toEqual({
      predictions: [record(ord), record(unknown)],
    });
    expect(await score({ dataframe_records: [] })).toMatchObject({ status: 200, body: { predictions: [] } });
    expect((await score({ instances: [[800, 20, 1]] })).body).toEqual({
      predictions: { probability: [[expect.closeTo(ord, 5)]], label: [Number(ord > 0.5)] },
    });
    const csv = async (text: string, type = 'text/csv'): Promise<Awaited<ReturnType<typeof score>>> => {
      const init = { method: 'POST', headers: { 'content-type': type }, body: text };
      const response = await fetch(`${service.url}/api/v1/deployments/late/invocations`, init);
      return { status: response.status, body: await response.json(), id: response.headers.get('millrace-prediction-id') };
    };
    const frame = { predictions: [record(ord), record(unknown)] };
    expect(await csv('departures_1h,delay_mean_6h,distance,ignored\r\n1,20,800,yes\r\n0,,100,\r\n')).toMatchObject({
      status: 200,
      body: frame,
    });
    const keyed = await csv('origin,distance\nORD,800\n"ORD",800.0\n', 'text/csv; charset=UTF-8');
    expect(keyed).toMatchObject({ status: 200, body: { predictions: [{ label: expect.any(Number) }, { label: expect.any(Number) }] } });
    expect(await csv('a,b\n1\n"')).toMatchObject({
      status: 400,
      body: { error_code: 'BAD_REQUEST', message: expect.stringMatching(/ends within quotes/) },
    });
    expect((await csv('a\n1', 'text/csv; charset=latin-1')).status).toBe(415);
    for (const [body, message] of [
      [{ dataframe_split: { columns: ['origin'], data: [['ORD']] } }, /input "distance" is missing/],
      [{ inputs: [[1, 2]] }, /"input" has shape \[1,2\]; the model expects FP32 \[-1,3\]/],
      [{ instances: [[1, 2, 3]], inputs: [[1, 2, 3]] }, /the request has instances and inputs/],
      [{ dataframe_split: { columns: ['a', 'b'], data: [[1]] } }, /dataframe_split.data\[0\] has 1 values; columns has 2 names/],
      [{ inputs: { a: [1, 2], b: [1] } }, /inputs.b has 1 rows and inputs.a 2/],
    ] as const)
      expect(await score(body)).toMatchObject({
        status: 400,
        body: { error_code: 'BAD_REQUEST', message: expect.stringMatching(message) },
      });
    const nobody = await post('/api/v1/deployments/nobody/invocations', { instances: [[1]] });
    expect([nobody.status, await nobody.json()]).toEqual([404, expect.objectContaining({ error_code: 'RESOURCE_DOES_NOT_EXIST' })]);
  });

  test('does not serve an artifact that has changed since it was registered', async () => {
    await models.register('tampered', delayModel(1), '0'.repeat(64));
    await apply(`
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: tampered}
spec: {model: models:/tampered/1}
`);
    const reply = await waitFor(async () => {
      const answer = await infer('tampered', tensors([1, 2, 3]));
      return answer.error?.includes('changed') && answer;
    });
    expect(reply.status).toBe(503);
    expect((await fetch(`${service.url}/v2/models/tampered/ready`)).status).toBe(503);
  });

  test('an experiment serves each unit its variant, alike for ever, and records the exposure', async () => {
    await apply(`
apiVersion: millrace.dev/v1
kind: Experiment
metadata: {name: delay-ab}
spec:
  unit: origin
  variants: [{name: control, weight: 1, model: models:/delay/1}, {name: candidate, weight: 1, model: models:/delay/2}]
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: compared}
spec: {model: models:/delay@champion, featureService: delay_model, experiment: delay-ab}
`);
    await ready('compared');
    const origins = Array.from({ length: 40 }, (_, index) => `O${index}`);
    const ask = (list: string[]) =>
      infer(
        'compared',
        byEntity(
          list,
          list.map(() => 500),
        ),
      );
    await waitFor(async () => (await ask(origins)).status === 200);
    const together = await ask(origins);
    const control = delayProbability(0, 500, null, 1);
    const candidate = delayProbability(2, 500, null, 1);
    const variants = together.outputs[0]!.data.map((value) =>
      Math.abs(value - control) < 1e-5 ? 'control' : Math.abs(value - candidate) < 1e-5 ? 'candidate' : '?',
    );
    expect(new Set(variants)).toEqual(new Set(['control', 'candidate']));
    for (const index of [0, 7, 13]) {
      const alone = await ask([origins[index]!]);
      expect(alone.parameters['variant']).toBe(variants[index]);
      expect(alone.outputs[0]?.data[0]).toBe(together.outputs[0]?.data[index]);
    }
    const exposed = await waitFor(async () => {
      const found = new Map<string, string>();
      for (const partition of [0, 1, 2, 3]) {
        for await (const record of service.host.log.read('millrace.experimentation.exposures', partition, 0)) {
          const { unit, variant, model, version } = JSON.parse(record.value.toString()) as Record<string, string>;
          expect(found.has(unit!)).toBe(false);
          found.set(unit!, `${variant} ${model}/${version}`);
        }
      }
      return found.size === origins.length && Object.fromEntries(found);
    });
    const met = variants.map((variant) => `${variant} delay/${variant === 'control' ? 1 : 2}`);
    expect(exposed).toEqual(Object.fromEntries(origins.map((origin, index) => [origin, met[index]])));
    const counts = await waitFor(async () => {
      const found = await rows<{ variant: string; units: string }>(
        `SELECT variant, uniqExact(unit) AS units FROM millrace.predictions WHERE deployment = 'compared' AND error_code = '' GROUP BY variant ORDER BY variant`,
      );
      return found.reduce((sum, row) => sum + Number(row.units), 0) === origins.length && found;
    });
    expect(counts.map((row) => Number(row.units))).toEqual([
      variants.filter((variant) => variant === 'candidate').length,
      variants.filter((variant) => variant === 'control').length,
    ]);
  });
});
