import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { trackingConfig, TrackingModule } from '../../index.js';

interface ServerSentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: {
    readonly points: readonly { readonly step: number }[];
    readonly runId?: string;
    readonly status?: string;
  };
}

describe('runs over our own REST', () => {
  let directory: TempDir;
  let running: RunningService;

  beforeAll(async () => {
    directory = await tempDir('runs-rest');
    running = await bootstrap(
      TrackingModule,
      loadConfig([trackingConfig], {
        MILLRACE_DATA_DIR: directory.path,
        MILLRACE_PORT: '0',
        MILLRACE_CLICKHOUSE_PORT: '0',
        MILLRACE_LOG_LEVEL: 'error',
      }),
    );
  }, 60_000);

  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  async function call(method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
    const response = await fetch(`${running.url}/${path}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    return { status: response.status, body: await response.json() };
  }
  const mlflow = (path: string, body: object) => call('POST', `api/2.0/mlflow/${path}`, body);
  async function newRun(params: Record<string, string> = {}): Promise<string> {
    const run_id = (await mlflow('runs/create', { experiment_id: '0' })).body.run.info.run_id as string;
    await mlflow('runs/log-batch', { run_id, params: Object.entries(params).map(([key, value]) => ({ key, value })) });
    return run_id;
  }
  const logPoints = (run_id: string, from: number, count: number, key = 'm') =>
    mlflow('runs/log-batch', {
      run_id,
      metrics: Array.from({ length: count }, (_, index) => ({ key, value: from + index, timestamp: 1, step: from + index })),
    });

  /** Reads a stream until `enough` says so. */
  async function listen(
    path: string,
    enough: (events: readonly ServerSentEvent[]) => boolean,
    lastId?: string,
  ): Promise<ServerSentEvent[]> {
    const gone = new AbortController();
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
    const response = await fetch(`${running.url}/${path}`, { signal: gone.signal, headers });
    expect(response.headers.get('content-type')).toMatch('text/event-stream');
    const events: ServerSentEvent[] = [];
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const fields = Object.fromEntries(part.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]));
        if (fields['data'] !== undefined)
          events.push({
            id: fields['id'] ?? '',
            event: fields['event'] ?? '',
            data: JSON.parse(fields['data']) as ServerSentEvent['data'],
          });
      }
      if (enough(events)) break;
    }
    gone.abort();
    return events;
  }
  const stepsOf = (events: readonly ServerSentEvent[]): number[] =>
    events.flatMap(({ event, data }) => (event === 'points' ? data.points.map(({ step }) => step) : []));
  const upTo = (count: number) => Array.from({ length: count }, (_, step) => step);

  test('a stream tells new points and the status, and goes on where it was broken off', async () => {
    const run_id = await newRun();
    await logPoints(run_id, 0, 3);
    const path = `api/v1/runs/${run_id}/events`;
    const first = listen(`${path}?from=beginning`, (events) => stepsOf(events).length >= 5);
    await logPoints(run_id, 3, 2);
    const seen = await first;
    expect(seen[0]).toMatchObject({ event: 'run', data: { runId: run_id, status: 'RUNNING' } });
    expect(stepsOf(seen)).toEqual(upTo(5));
    const lastId = seen.at(-1)?.id as string;
    expect(lastId).toMatch(/^millrace\.tracking\.metric-points\/\d@\d+$/);
    await logPoints(run_id, 5, 1000);
    await mlflow('runs/update', { run_id, status: 'FINISHED', end_time: 5 });
    const rest = await listen(path, (events) => stepsOf(events).length >= 1000, lastId);
    expect(rest[0]).toMatchObject({ event: 'run', data: { status: 'FINISHED', endTime: 5 } });
    expect(stepsOf(rest)).toEqual(upTo(1005).slice(5));
    const now = listen(path, (events) => events.filter(({ event }) => event === 'run').length >= 2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await mlflow('runs/delete', { run_id });
    const states = await now;
    expect(stepsOf(states)).toEqual([]);
    expect(states.at(-1)).toMatchObject({ event: 'run', data: { deleted: true } });
  }, 60_000);

  test('a history thinned for a plot, and several for MLflow’s UI', async () => {
    const run_id = await newRun();
    for (let from = 0; from < 3000; from += 1000) await logPoints(run_id, from, 1000);
    const { body } = await call('GET', `api/v1/runs/${run_id}/metrics/m/history?buckets=10`);
    expect(body).toMatchObject({ runId: run_id, key: 'm', axis: 'step', points: 3000 });
    expect(body.buckets).toHaveLength(10);
    expect(body.buckets[9]).toMatchObject({ from: 2700, to: 2999, count: 300, max: { step: 2999, value: 2999 }, min: { step: 2700 } });
    const interval = await call(
      'GET',
      `ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids=${run_id}&metric_key=m&max_results=100`,
    );
    // The first of 100 parts, the last of all, and a spike of every four parts.
    expect(interval.body.metrics.length).toBeLessThanOrEqual(126);
    expect(interval.body.metrics[0]).toEqual({ run_id, key: 'm', value: 0, timestamp: 1, step: 0 });
    expect(interval.body).toMatchObject({ metrics: expect.arrayContaining([expect.objectContaining({ step: 2999 })]) });
  }, 60_000);

  test('runs are compared by params, metrics and what moved the metric', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 12; index++) {
      const run_id = await newRun({ lr: String(index % 4), same: 'x' });
      await mlflow('runs/log-batch', { run_id, metrics: [{ key: 'loss', value: index % 4, timestamp: 1, step: 0 }] });
      ids.push(run_id);
    }
    const { body } = await call('GET', `api/v1/runs/compare?run_ids=${ids.join(',')}&metric=loss&goal=maximize`);
    expect(body.runs).toMatchObject(
      ids.map((runId) => ({ runId, startTime: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/), endTime: null })),
    );
    expect(body.params).toMatchObject([
      { key: 'lr', differs: true },
      { key: 'same', differs: false },
    ]);
    expect(body.best).toEqual({ runId: ids[3], value: 3 });
    expect(body.importance).toMatchObject({ kind: 'found', runs: 12, params: [{ key: 'lr', share: 1 }] });
    expect(body.parallelCoordinates).toMatchObject([{ key: 'lr' }, { key: 'loss' }]);
    const { run } = (await mlflow('runs/create', { experiment_id: '0', start_time: Number.MAX_SAFE_INTEGER })).body;
    const far = await call('GET', `api/v1/runs/compare?run_ids=${run.info.run_id as string}`);
    expect(far.body.runs).toMatchObject([{ startTime: null, endTime: null }]);
    const all = await call('GET', 'api/v1/runs/compare?experiment_ids=0');
    expect(all.body.runs.length).toBeGreaterThanOrEqual(12);
  }, 60_000);

  test.each([
    ['api/v1/runs/compare', 400, /run_ids names the runs/],
    ['api/v1/runs/compare?run_ids=none', 404, /there is no run none/],
    ['api/v1/runs/compare?experiment_ids=99', 404, /there is no experiment 99/],
    ['api/v1/runs/none/events', 404, /there is no run none/],
    ['api/v1/runs/none/metrics/m/history?buckets=0', 400, /buckets is an integer from 1/],
    ['api/v1/runs/none/metrics/m/history?axis=x', 400, /axis is one of step, timestamp/],
  ])('%s is answered %i in words', async (path, status, detail) => {
    const answer = await call('GET', path);
    expect([answer.status, answer.body.detail]).toEqual([status, expect.stringMatching(detail)]);
  });

  test('an id of another stream is refused', async () => {
    const run_id = await newRun();
    const response = await fetch(`${running.url}/api/v1/runs/${run_id}/events`, { headers: { 'last-event-id': 'x/0@1' } });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'MR_TRACKING_QUERY_INVALID']);
  });
});
