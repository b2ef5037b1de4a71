import { jsonDouble } from '@millrace/mlflow-protocol';
import { formatPosition } from '@millrace/kernel';
import type { MetricPoint } from '../../domain/metric-points/metric-points.js';
import type { PlacedPoint, PointsSince } from '../../queries/points-since.query.js';
import type { RunNewsQueue } from '../../queries/run-feed.js';
import type { RunView } from '../../queries/tracking-view.js';

/** What a stream of one run's events is made of. */
export interface RunEventsSource {
  readonly topic: string;
  readonly partition: number;
  readonly queue: RunNewsQueue;
  /** Everything before it is folded: the queue tells of what comes after. */
  readonly foldedTo: number;
  readonly show: () => RunView | undefined;
  /** Points from the table, once it holds everything before `end`. */
  readonly since: (request: Omit<PointsSince, 'experimentId' | 'runId'>) => Promise<PlacedPoint[]>;
}

const HEARTBEAT_MS = 15_000;
const POINTS_A_PAGE = 5_000;

/**
 * One run as server-sent events: `run` with its state at the beginning and whenever it changes, `points` with new metric points. The id of an event is
 * the position of the last record about metric points that was told whole; `Last-Event-ID` gives it back after a broken connection, and what was
 * missed comes from the table. A comment every 15 s keeps the connection open. A reader who falls too far behind is told to reconnect.
 */
export async function* runEvents(source: RunEventsSource, after: number, signal: AbortSignal): AsyncGenerator<string> {
  const { topic, partition, queue, foldedTo, show, since } = source;
  let told = after;
  const event = (type: string, data: object): string =>
    `id: ${formatPosition({ topic, partition, offset: told })}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  const state = (): string => {
    const view = show();
    return view ? event('run', runJson(view)) : '';
  };
  yield 'retry: 1000\n\n';
  yield state();
  let place = { offset: after, row: Number.MAX_SAFE_INTEGER };
  while (place.offset + 1 < foldedTo && !signal.aborted) {
    const page = await since({ ...place, end: foldedTo, limit: POINTS_A_PAGE });
    const last = page.at(-1);
    if (!last) break;
    place = { offset: last.offset, row: last.row };
    // A record may go on in the next page, so the id is the record before it until the last page.
    told = page.length < POINTS_A_PAGE ? last.offset : Math.max(told, last.offset - 1);
    yield event('points', pointsJson(page));
  }
  told = Math.max(told, foldedTo - 1);
  while (!signal.aborted) {
    const news = await queue.take(signal, HEARTBEAT_MS);
    if (signal.aborted) return;
    if (queue.hasRunOver) {
      yield ': too far behind; reconnect with Last-Event-ID\n\n';
      return;
    }
    if (news.length === 0) yield ': still here\n\n';
    const points: MetricPoint[] = [];
    for (const one of news) {
      if (one.kind === 'points' && one.offset >= foldedTo) {
        points.push(...one.points);
        told = one.offset;
      }
    }
    if (points.length > 0) yield event('points', pointsJson(points));
    if (news.some(({ kind }) => kind === 'state')) yield state();
  }
}

/** The last event of a stream whose credentials do not open it any more; `reason` is the refusal a request would be answered with. */
export function endEvent(reason: unknown): string {
  const { code = 'MR_ACCESS_UNAUTHENTICATED', message = '' } = reason as { code?: string; message?: string };
  return `event: end\ndata: ${JSON.stringify({ code, detail: message })}\n\n`;
}

function runJson({ run, isActive }: RunView): object {
  const { runId, experimentId, name, status, startTime, endTime } = run;
  return { runId, experimentId, name, status, startTime, endTime, deleted: !isActive };
}

function pointsJson(points: readonly MetricPoint[]): object {
  return { points: points.map(({ key, value, timestamp, step }) => ({ key, value: jsonDouble(value), timestamp, step })) };
}
