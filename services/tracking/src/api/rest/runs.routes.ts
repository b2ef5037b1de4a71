import { partitionOf } from '@millrace/event-log';
import { parsePosition } from '@millrace/kernel';
import { jsonDouble } from '@millrace/mlflow-protocol';
import { credentialsEnd, jsonOf, momentText, ProblemError, type QueryDoc } from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { bestRun, compareRuns, paramImportances } from '../../queries/compare-runs.query.js';
import type { SeriesPoint } from '../../queries/metric-series.query.js';
import type { RunView } from '../../queries/tracking-view.js';
import type { TrackingApi } from '../mlflow/context.js';
import { COMPARISON_ANSWER, HISTORY_ANSWER, NO_RUN } from './answers.js';
import { doc } from './doc.js';
import { integer, invalid, oneOf, text, texts, type Query } from './query-parameters.js';
import { endEvent, runEvents } from './run-events.js';

const MOST_BUCKETS = 10_000;
const DEFAULT_BUCKETS = 500;
const MOST_COMPARED = 2_000;
const MOST_STREAMS = 256;
const COMPARED: QueryDoc = {
  run_ids: `Runs, separated by commas, at most ${MOST_COMPARED}; or \`experiment_ids\`.`,
  experiment_ids: 'Experiments, separated by commas, whose newest runs are compared.',
  metric: 'Which run is best by it, and which parameters moved it.',
  goal: { description: '`minimize` unless given.', enum: ['minimize', 'maximize'] },
};
const HISTORY: QueryDoc = {
  buckets: { type: 'integer', description: `How many at most: ${DEFAULT_BUCKETS} unless given, ${MOST_BUCKETS} at the highest.` },
  axis: { description: '`step` unless given.', enum: ['step', 'timestamp'] },
  from: { type: 'integer', description: 'From this step or time on.' },
  to: { type: 'integer', description: 'Up to this step or time.' },
};
const LIVE: QueryDoc = {
  from: { description: '`now` unless given.', enum: ['now', 'beginning'] },
  last_event_id: 'Goes on after this event; also the header `Last-Event-ID`.',
};

/** Runs over our own REST: histories thinned for a plot, comparisons, and live events. `stopping` aborts when the process stops. */
export function runRestRoutes(scope: FastifyInstance, api: TrackingApi, stopping: AbortSignal): void {
  const comparing = doc('Compares runs: parameters, metrics, and what moved a metric.', {
    query: COMPARED,
    answer: jsonOf(COMPARISON_ANSWER),
    errors: { 404: 'There is no such run, or no such experiment.' },
  });
  scope.get('/api/v1/runs/compare', comparing, (request) => compare(api, request.query as Query));
  const thinned = doc('The history of a run’s metric, thinned for a plot.', {
    query: HISTORY,
    answer: jsonOf(HISTORY_ANSWER),
    errors: NO_RUN,
  });
  scope.get<{ Params: { id: string; key: string } }>('/api/v1/runs/:id/metrics/:key/history', thinned, (request) =>
    history(api, request.params, request.query as Query),
  );
  const live = doc('Live events of a run, as server-sent events.', {
    query: LIVE,
    answer: { 'text/event-stream': 'text' },
    errors: NO_RUN,
  });
  scope.get<{ Params: { id: string } }>('/api/v1/runs/:id/events', live, (request, reply) =>
    events(api, request.params.id, request, reply, stopping),
  );
}

async function history(api: TrackingApi, { id, key }: { id: string; key: string }, query: Query): Promise<object> {
  const buckets = integer(query, 'buckets', 1, MOST_BUCKETS) ?? DEFAULT_BUCKETS;
  const axis = oneOf(query, 'axis', ['step', 'timestamp'], 'step');
  const [from, to] = [bound(query, 'from'), bound(query, 'to')];
  await api.view.upToDate();
  const { run } = found(api, id);
  const series = await api.metricSeries({ experimentId: run.experimentId, runId: id, key, axis, buckets, from, to });
  return {
    runId: id,
    key,
    axis,
    points: series.points,
    buckets: series.buckets.map((bucket) => ({
      ...bucket,
      min: pointJson(bucket.min),
      max: pointJson(bucket.max),
      last: pointJson(bucket.last),
    })),
  };
}

async function compare(api: TrackingApi, query: Query): Promise<object> {
  const [ids, experiments] = [texts(query, 'run_ids'), texts(query, 'experiment_ids')];
  const metric = text(query, 'metric');
  const goal = oneOf(query, 'goal', ['minimize', 'maximize'], 'minimize');
  if ((ids.length === 0) === (experiments.length === 0)) {
    throw invalid(
      'run_ids',
      'names the runs to compare, separated by commas; or experiment_ids the experiments whose newest runs are compared',
    );
  }
  if (ids.length > MOST_COMPARED) throw invalid('run_ids', `names ${ids.length} runs; at most ${MOST_COMPARED} are compared`);
  await api.view.upToDateWithMetrics();
  const runs = ids.length > 0 ? ids.map((id) => found(api, id)) : await newestOf(api, experiments);
  const { params, metrics, dimensions } = compareRuns(runs);
  const measured = metric === undefined ? {} : { best: bestJson(bestRun(runs, metric, goal)), importance: paramImportances(runs, metric) };
  return {
    runs: runs.map(({ run, isActive }) => ({
      ...{ runId: run.runId, name: run.name, experimentId: run.experimentId, status: run.status },
      ...{ startTime: momentText(run.startTime), endTime: momentText(run.endTime), deleted: !isActive },
    })),
    params,
    metrics: metrics.map((one) => ({ ...one, values: one.values.map((value) => (value === null ? null : jsonDouble(value))) })),
    parallelCoordinates: dimensions,
    ...(metric === undefined ? {} : { metric, goal, ...measured }),
  };
}

async function newestOf(api: TrackingApi, experiments: readonly string[]): Promise<RunView[]> {
  for (const id of experiments) {
    if (!api.view.experiment(id)) throw new ProblemError(404, 'MR_TRACKING_EXPERIMENT_NOT_FOUND', `there is no experiment ${id}`);
  }
  const search = { activeIn: experiments, allIn: [], deletedIn: [], criteria: [], orders: [], limit: MOST_COMPARED };
  const ids = (await api.searchRuns(search)).slice(0, MOST_COMPARED);
  return ids.map(({ id }) => api.view.show(id)).filter((shown) => shown !== undefined);
}

async function events(
  api: TrackingApi,
  id: string,
  request: FastifyRequest,
  reply: FastifyReply,
  stopping: AbortSignal,
): Promise<FastifyReply> {
  const { live } = api;
  if (live.feed.listeners >= MOST_STREAMS) {
    void reply.header('retry-after', '5');
    throw new ProblemError(503, 'MR_TRACKING_STREAMS_BUSY', `${MOST_STREAMS} streams are open already; close one, or retry later`);
  }
  await api.view.upToDateWithMetrics();
  const { run } = found(api, id);
  const partition = partitionOf(id, live.partitions);
  // From here to the fold's position nothing is awaited, so what comes after it is in the queue.
  const queue = live.feed.listen(id);
  const foldedTo = live.foldedTo(partition);
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const refused = credentialsEnd(request, gone.signal);
  const signal = AbortSignal.any([gone.signal, stopping, refused]);
  signal.addEventListener('abort', () => queue.close(), { once: true });
  try {
    const after = lastTold(request, live.topic, partition, foldedTo);
    const source = {
      ...{ topic: live.topic, partition, queue, foldedTo },
      show: () => api.view.show(id),
      since: (since: Parameters<typeof live.pointsSince>[1]) => live.pointsSince({ experimentId: run.experimentId, runId: id }, since),
    };
    return await reply
      .header('content-type', 'text/event-stream; charset=utf-8')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(Readable.from(closing(runEvents(source, after, signal), refused, queue), { objectMode: true, highWaterMark: 4 }));
  } catch (error) {
    queue.close();
    throw error;
  }
}

async function* closing(stream: AsyncGenerator<string>, refused: AbortSignal, queue: { close(): void }): AsyncGenerator<string> {
  try {
    yield* stream;
    if (refused.aborted) yield endEvent(refused.reason);
  } finally {
    queue.close();
  }
}

/** The offset after which points are told: the id of the last event the client has seen; from the run's first point with `from=beginning`. */
function lastTold(request: FastifyRequest, topic: string, partition: number, foldedTo: number): number {
  const query = request.query as Query;
  const header = request.headers['last-event-id'];
  const id = (typeof header === 'string' && header !== '' ? header : undefined) ?? text(query, 'last_event_id');
  if (id === undefined) return oneOf(query, 'from', ['now', 'beginning'], 'now') === 'beginning' ? -1 : foldedTo - 1;
  const position = parsePosition(id);
  if (position?.topic !== topic || position.partition !== partition) {
    throw invalid('Last-Event-ID', `is ${id}; send the id of an event of this run's stream, ${topic}/${partition}@N`);
  }
  return position.offset;
}

function found(api: TrackingApi, id: string): RunView {
  const view = /^[A-Za-z0-9][\w-]{0,255}$/.test(id) ? api.view.show(id) : undefined;
  if (!view) throw new ProblemError(404, 'MR_TRACKING_RUN_NOT_FOUND', `there is no run ${id}`);
  return view;
}

function bound(query: Query, name: string): number | undefined {
  return integer(query, name, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
}

function pointJson(point: SeriesPoint | null): object | null {
  return point && { ...point, value: jsonDouble(point.value) };
}

function bestJson(best: ReturnType<typeof bestRun>): object | null {
  return best && { ...best, value: jsonDouble(best.value) };
}
