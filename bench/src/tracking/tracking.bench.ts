import { tempDir } from '@millrace/testing';
import { runAlone, type BenchResult } from '../bench-result.js';
import { moveToClientCore } from '../cores.js';
import { fillLog, runIdOf } from './fill-log.js';
import { HttpClient, lifecycle, newRun, p50, rate } from './http-client.js';
import { clientTimes, fillMlflow, startMillrace, startMlflow, startStub, type Server } from './servers.js';

const RUNS = 100_000;
const HISTORY = 1_000_000;
const SECONDS = 8;
const PEER = 'MLflow 3.17.2 on SQLite';
const FLOOR = 'the client alone';
const SEARCH = {
  experiment_ids: ['1'],
  filter: "metrics.auc > 0.9 and params.optimizer = 'adam'",
  order_by: ['metrics.auc DESC'],
  max_results: 100,
};

/** What one server does; the same calls for each, one server at a time. */
interface Figures {
  readonly client: Record<'logMetric' | 'logBatch' | 'lifecycle', number>;
  readonly points: Record<1 | 8, number>;
  readonly lifecycles: Record<1 | 8, number>;
  readonly search: number;
  readonly history: number;
}

/** Tracking beside MLflow's own server and a stub that answers at once: clients on one core, the server on the other. */
export async function run(): Promise<BenchResult[]> {
  await moveToClientCore();
  const [ours, theirs] = [await tempDir('bench-tracking'), await tempDir('bench-mlflow')];
  try {
    const stub = await startStub();
    const floor = await clientTimes(stub.url, 300, 50).finally(() => stub.stop());
    const mlflow = await startMlflow(theirs.path);
    await fillMlflow(theirs.path, RUNS, HISTORY);
    const peer = await figuresOf(mlflow, { small: 60, large: 10, searches: 7 }, wholeHistory).finally(() => mlflow.stop());
    await fillLog(ours.path, { runs: RUNS, pointsPerRun: 5, experiments: 1, history: HISTORY });
    const millrace = await startMillrace(ours.path);
    const value = await figuresOf(millrace, { small: 300, large: 50, searches: 25 }, thinnedHistory).finally(() => millrace.stop());
    return resultsOf(value, peer, floor);
  } finally {
    await Promise.all([ours.remove(), theirs.remove()]);
  }
}

async function figuresOf(
  { url }: Server,
  times: { small: number; large: number; searches: number },
  history: (client: HttpClient) => Promise<number>,
): Promise<Figures> {
  const http = new HttpClient(url);
  try {
    const search = await p50(times.searches, async () => {
      const { runs } = JSON.parse(await http.post('runs/search', SEARCH)) as { runs?: unknown[] };
      if (runs?.length !== SEARCH.max_results) throw new Error(`the search found ${runs?.length ?? 0} runs`);
    });
    const drawn = await history(http);
    const client = await clientTimes(url, times.small, times.large);
    const [points, lifecycles] = [await pointRates(http), { 1: 0, 8: 0 }];
    for (const clients of [1, 8] as const) {
      lifecycles[clients] = await rate(clients, SECONDS, async () => {
        await lifecycle(http);
        return 1;
      });
    }
    return { client, points, lifecycles, search, history: drawn };
  } finally {
    http.close();
  }
}

async function pointRates(http: HttpClient): Promise<Record<1 | 8, number>> {
  const rates = { 1: 0, 8: 0 };
  for (const clients of [1, 8] as const) {
    const ids = await Promise.all(Array.from({ length: clients }, () => newRun(http)));
    let step = 0;
    rates[clients] = await rate(clients, SECONDS, async (client) => {
      const metrics = Array.from({ length: 1000 }, () => ({ key: 'loss', value: 1 / (++step + 1), timestamp: step, step }));
      await http.post('runs/log-batch', { run_id: ids[client], metrics });
      return metrics.length;
    });
  }
  return rates;
}

const FIRST_RUN = runIdOf(0);

/** All points of the long history, page by page, which is what MLflow has for a plot of all of it. */
async function wholeHistory(http: HttpClient): Promise<number> {
  const started = performance.now();
  let count = 0;
  for (let token = ''; ;) {
    const page = token === '' ? '' : `&page_token=${encodeURIComponent(token)}`;
    const path = `/api/2.0/mlflow/metrics/get-history?run_id=${FIRST_RUN}&metric_key=long&max_results=250000${page}`;
    const { metrics, next_page_token } = JSON.parse(await http.get(path)) as { metrics: unknown[]; next_page_token?: string };
    count += metrics.length;
    if (!next_page_token) break;
    token = next_page_token;
  }
  if (count !== HISTORY) throw new Error(`the history has ${count} points`);
  return performance.now() - started;
}

function thinnedHistory(http: HttpClient): Promise<number> {
  return p50(9, async () => {
    const answer = JSON.parse(await http.get(`/api/v1/runs/${FIRST_RUN}/metrics/long/history?buckets=1000`)) as { points: number };
    if (answer.points !== HISTORY) throw new Error(`the history has ${answer.points} points`);
  });
}

function resultsOf(ours: Figures, peer: Figures, floor: Figures['client']): BenchResult[] {
  const less = (metric: string, value: number, peerValue: number, times: number): BenchResult => ({
    ...{ name: 'tracking', metric, value, unit: 'ms', target: `<= 1/${times} of the peer`, peer: PEER, peerValue },
    ...{ ratio: peerValue / value, pass: value <= peerValue / times },
  });
  const more = (metric: string, value: number, peerValue: number, unit: string, times: number): BenchResult => ({
    ...{ name: 'tracking', metric, value, unit, target: `>= ${times}x the peer`, peer: PEER, peerValue },
    ...{ ratio: value / peerValue, pass: value >= peerValue * times },
  });
  const nearFloor = (metric: string, value: number, floorValue: number, times: number): BenchResult => ({
    ...{ name: 'tracking', metric: `${metric}, beside its own floor`, value, unit: 'ms', target: `<= ${times}x the floor`, peer: FLOOR },
    ...{ peerValue: floorValue, ratio: floorValue / value, pass: value <= floorValue * times },
  });
  return [
    less('real client, log_metric, p50', ours.client.logMetric, peer.client.logMetric, 20),
    nearFloor('real client, log_metric, p50', ours.client.logMetric, floor.logMetric, 2),
    nearFloor('real client, log_batch of 1000, p50', ours.client.logBatch, floor.logBatch, 1.5),
    nearFloor('real client, create, log, finish, p50', ours.client.lifecycle, floor.lifecycle, 1.5),
    more('raw HTTP, log-batch of 1000, 1 client', ours.points[1], peer.points[1], 'points/s', 30),
    more('raw HTTP, log-batch of 1000, 8 clients', ours.points[8], peer.points[8], 'points/s', 30),
    more('raw HTTP, create, log, finish, 1 client', ours.lifecycles[1], peer.lifecycles[1], 'lifecycles/s', 15),
    more('raw HTTP, create, log, finish, 8 clients', ours.lifecycles[8], peer.lifecycles[8], 'lifecycles/s', 15),
    less(`search of ${RUNS.toLocaleString('en-GB')} runs by metric and param, ordered by metric, p50`, ours.search, peer.search, 20),
    less(`a history of ${HISTORY.toLocaleString('en-GB')} points for a plot`, ours.history, peer.history, 50),
  ];
}

await runAlone(import.meta.url, run);
