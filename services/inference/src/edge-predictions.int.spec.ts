import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TOPICS } from '@millrace/contracts';
import { addsModel } from '@millrace/onnx';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { createHash, randomUUID } from 'node:crypto';
import { InferenceModule, inferenceConfig } from './index.js';
import { PublishedModels } from './testing/published-models.js';

const PAGE = 'https://shop.example.com';
const PATH = '/api/v1/serving/models/adds/versions/1/predictions';
const BYTES = addsModel(1);
const DIGEST = createHash('sha256').update(BYTES).digest('hex');

interface Row {
  readonly id: string;
  readonly source: string;
  readonly prediction: number;
  readonly device: string;
  readonly predicted: number;
  readonly received: number;
}

describe('predictions of exported models', () => {
  let temp: TempDir;
  let service: RunningService;

  const start = async (): Promise<RunningService> =>
    bootstrap(
      InferenceModule,
      loadConfig([inferenceConfig], {
        MILLRACE_DATA_DIR: temp.path,
        MILLRACE_PORT: '0',
        MILLRACE_CLICKHOUSE_PORT: '0',
        MILLRACE_GRPC_PORT: '0',
        MILLRACE_LOG_LEVEL: 'error',
        MILLRACE_INFERENCE_EDGE_ORIGINS: PAGE,
        MILLRACE_INFERENCE_MAX_LOGGED_ELEMENTS: '8',
      }),
    );
  beforeAll(async () => {
    temp = await tempDir('edge');
    service = await start();
    await new PublishedModels(service.host).register('adds', BYTES);
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  const prediction = (x: number, more: object = {}) => ({
    ...{ id: randomUUID(), time: 978_307_200_000 + x, inputs: { x }, outputs: { y: x + 1 }, latencyMicros: 40, ...more },
  });
  const upload = (predictions: readonly unknown[], more: object = {}) => ({
    ...{ device: 'device-0001', session: 'session-0001', runner: 'web', sentAt: 978_307_300_000, digest: DIGEST, predictions, ...more },
  });
  const send = async (body: object, headers: Record<string, string> = {}, path = PATH) => {
    const response = await fetch(`${service.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
  };
  const rowsOf = (ids: readonly string[]) =>
    service.host.offline.query<Row>(
      `SELECT prediction_id AS id, source, prediction, edge_device AS device, toFloat64(toUnixTimestamp64Milli(edge_predicted_at)) AS predicted,
              toFloat64(toUnixTimestamp64Milli(time)) AS received
       FROM millrace.predictions WHERE prediction_id IN ({ids:Array(String)}) ORDER BY predicted`,
      { ids },
    );
  const settled = (ids: readonly string[], count: number) =>
    waitFor(async () => {
      const rows = await rowsOf(ids);
      return rows.length >= count && rows;
    });
  /** Once a later record of every partition has its row, all before it had theirs. */
  const passed = async (): Promise<void> => {
    const marks = Array.from({ length: 64 }, (_, index) => prediction(index));
    expect((await send(upload(marks))).status).toBe(202);
    await settled(
      marks.map(({ id }) => id),
      marks.length,
    );
  };
  const recordsOf = async (ids: readonly string[]): Promise<number> => {
    const { log } = service.host;
    const topic = TOPICS.predictions.name;
    let count = 0;
    for (const [partition, end] of (await log.end(topic)).entries())
      for await (const record of log.read(topic, partition, 0, end)) if (ids.includes(record.key?.toString() ?? '')) count++;
    return count;
  };

  test('come beside the gateway’s own, with the device’s clock apart from ours', async () => {
    const before = Date.now();
    const [first, second] = [prediction(1), prediction(2, { unit: 'till-7', inputs: null, features: { x: 2, tail: null } })];
    const answer = await send(upload([first, second]));
    expect(answer).toMatchObject({ status: 202, body: { recorded: 2 } });
    expect(answer.headers.get('millrace-position')).toContain(`${TOPICS.predictions.name}/`);
    const rows = await settled([first.id, second.id], 2);
    expect(rows).toMatchObject([
      { id: first.id, source: 'edge', prediction: 2, device: 'device-0001', predicted: 978_307_200_001 },
      { id: second.id, source: 'edge', prediction: 3, device: 'device-0001', predicted: 978_307_200_002 },
    ]);
    for (const { received } of rows) expect(received).toBeGreaterThanOrEqual(before);
    const [named] = await service.host.offline.query<{ unit: string; request: string; digest: string }>(
      `SELECT unit, request FROM millrace.predictions WHERE prediction_id = {id:String}`,
      { id: second.id },
    );
    expect(named).toMatchObject({ unit: 'till-7', request: '{"x":2,"tail":null}' });
  });

  test('labels join them by prediction id', async () => {
    const one = prediction(5);
    await send(upload([one], { deployment: 'adds-at-the-till' }));
    const label = { predictionId: one.id, value: 6.5 };
    const response = await fetch(`${service.url}/api/v1/deployments/adds-at-the-till/labels`, {
      method: 'POST',
      body: JSON.stringify(label),
    });
    expect(response.status).toBe(202);
    const labelled = await waitFor(async () => {
      const rows = await service.host.offline.query<{ label: number | null; prediction: number; deployment: string }>(
        `SELECT label, prediction, deployment FROM millrace.predictions_labelled WHERE prediction_id = {id:String}`,
        { id: one.id },
      );
      return rows[0]?.label != null && rows;
    });
    expect(labelled).toEqual([{ label: 6.5, prediction: 6, deployment: 'adds-at-the-till' }]);
  });

  test('labels are kept whoever they are told for, with a warning where nothing is known of the name', async () => {
    const tell = async (name: string): Promise<unknown> => {
      const body = JSON.stringify({ predictionId: 'p', value: 1 });
      const response = await fetch(`${service.url}/api/v1/deployments/${name}/labels`, { method: 'POST', body });
      expect(response.status).toBe(202);
      return response.json();
    };
    expect(await tell('elsewhere')).toEqual({
      recorded: 1,
      warnings: [
        expect.stringMatching(/^deployment "elsewhere" is unknown here: it was never applied, .* send them again under the right one$/),
      ],
    });
    expect(await tell('add')).toMatchObject({ recorded: 1, warnings: [expect.stringContaining('did you mean "adds"?')] });
    // One is registered, the other known by the predictions of a device, and the third was applied and deleted.
    expect([await tell('adds'), await tell('adds-at-the-till')]).toEqual([{ recorded: 1 }, { recorded: 1 }]);
    const resource = { apiVersion: 'millrace.dev/v1', kind: 'Deployment', metadata: { name: 'gone' }, spec: { model: 'models:/adds/1' } };
    await fetch(`${service.url}/api/v1/apply`, { method: 'POST', body: JSON.stringify(resource) });
    expect((await fetch(`${service.url}/api/v1/resources/Deployment/gone`, { method: 'DELETE' })).ok).toBe(true);
    expect(await tell('gone')).toEqual({ recorded: 1 });
  });

  test('count once, however often they are sent: in one upload, at once, and after a restart', async () => {
    const all = Array.from({ length: 20 }, (_, index) => prediction(100 + index));
    const ids = all.map(({ id }) => id);
    const [first] = all;
    const answers = await Promise.all([send(upload([...all, first])), send(upload(all)), send(upload(all, { session: 'session-0002' }))]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    await settled(ids, ids.length);
    await passed();
    expect((await rowsOf(ids)).map(({ id }) => id)).toEqual(ids);
    await service.close();
    service = await start();
    await waitFor(async () => (await send(upload(all))).status === 202);
    await passed();
    expect((await rowsOf(ids)).map(({ id }) => id)).toEqual(ids);
    expect(await recordsOf(ids)).toBe(81);
  }, 120_000);

  test('an upload is refused whole, and every prediction that is why is named with its field', async () => {
    const good = prediction(200);
    const bad = [prediction(201, { time: 'yesterday' }), prediction(202, { outputs: null }), 7, prediction(203, { id: '../x' })];
    const answer = await send(upload([good, ...bad]));
    expect(answer).toMatchObject({
      status: 400,
      body: {
        code: 'MR_INFERENCE_EDGE_INVALID',
        detail: expect.stringMatching(/^prediction 1: time must be whole milliseconds.*, and 3 more$/),
        details: {
          refused: [
            { index: 1, id: (bad[0] as { id: string }).id, field: 'time' },
            { index: 2, id: (bad[1] as { id: string }).id, field: 'outputs' },
            { index: 3, id: null, field: '' },
            { index: 4, id: '../x', field: 'id' },
          ],
        },
      },
    });
    expect(await recordsOf([good.id])).toBe(0);
    expect(await send({ ...upload([good]), device: 'x' })).toMatchObject({ status: 400, body: { details: { field: 'device' } } });
    expect(await send(upload([]))).toMatchObject({ status: 400, body: { details: { field: 'predictions' } } });
    expect(await send(upload(Array.from({ length: 1001 }, () => good)))).toMatchObject({ status: 413 });
  });

  test('an upload names a version there is, made of the bytes that are registered', async () => {
    const one = prediction(300);
    expect(await send(upload([one]), {}, PATH.replace('/1/', '/9/'))).toMatchObject({
      status: 404,
      body: { code: 'MR_INFERENCE_UNKNOWN_VERSION' },
    });
    expect(await send(upload([one], { digest: 'ab'.repeat(32) }))).toMatchObject({
      status: 409,
      body: { code: 'MR_INFERENCE_EDGE_DIGEST', detail: expect.stringContaining(DIGEST) },
    });
    expect((await send(upload([one], { digest: null }))).status).toBe(202);
  });

  test('tensors of more elements than are kept are left out, as of the gateway’s own', async () => {
    const one = prediction(400, { inputs: { x: Array.from({ length: 9 }, () => 1) } });
    await send(upload([one]));
    await settled([one.id], 1);
    const [row] = await service.host.offline.query('SELECT inputs, outputs FROM millrace.predictions WHERE prediction_id = {id:String}', {
      id: one.id,
    });
    expect(row).toEqual({ inputs: '{}', outputs: '{"y":401}' });
  });

  test('pages of other sites may send when their origin is named, and no others', async () => {
    const preflight = (origin: string) =>
      fetch(`${service.url}${PATH}`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });
    const allowed = await preflight(PAGE);
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(allowed.headers.get('access-control-allow-headers')).toBe('authorization, content-type');
    expect((await preflight('https://elsewhere.example.com')).headers.get('access-control-allow-origin')).toBeNull();
    const foreign = (origin: string) => send(upload([prediction(500)]), { origin, 'sec-fetch-site': 'cross-site' });
    const sent = await foreign(PAGE);
    expect(sent.status).toBe(202);
    expect(sent.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(await foreign('https://elsewhere.example.com')).toMatchObject({ status: 403, body: { code: 'MR_ACCESS_CROSS_SITE' } });
    // What may be read of a refusal is what the sender needs to mend it.
    expect((await send({}, { origin: PAGE })).headers.get('access-control-allow-origin')).toBe(PAGE);
  });
});
