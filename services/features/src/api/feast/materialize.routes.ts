import { parseEventTime, type ViewPlan } from '@millrace/feature-engine';
import type { CommandMetadata } from '@millrace/kernel';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Asked } from '../../materialization/materializations.js';
import { openCall } from './compatibility.js';
import { computedOnDemand, notOnline, refusal, sendFeastError, sendInvalid, sendJson, viewNotFound, type FeastError } from './errors.js';
import { FieldReader, type Fields } from './feast-body.js';

export interface MaterializeOptions {
  readonly view: (name: string) => ViewPlan | undefined;
  readonly isOnDemand: (name: string) => boolean;
  readonly onlineViews: () => readonly ViewPlan[];
  /**
   * Reads the interval's rows of the sources that have a query, a table or files, and resolves when the online store holds everything of these
   * views that is there by then.
   */
  readonly materialize: (views: readonly ViewPlan[], asked: Asked, metadata: CommandMetadata) => Promise<void>;
  /** Whether rows of the view's source are being read, whoever asked for it. */
  readonly isBusy: (view: ViewPlan) => boolean;
  readonly metadata: (request: FastifyRequest) => CommandMetadata;
  /** Told of what failed when nobody waits for it. */
  readonly failed: (views: readonly string[], error: unknown) => void;
  /** What a request that does not say it gets. */
  readonly isStrict: boolean;
}

/**
 * `POST /materialize` and `POST /materialize-incremental`. Rows of a query, a table or files are read, those of the time range. Other sources
 * are followed all the time: of them there is nothing to read, and a time range takes nothing away. The answer comes when what the log holds is
 * in the online store.
 */
export function materializeRoutes(scope: FastifyInstance, options: MaterializeOptions): void {
  const running = new Map<string, number>();
  const route = (path: string, rangeOf: (read: FieldReader) => Asked | string): void => {
    scope.post(path, async (request, reply) => {
      const call = openCall(request, reply, options.isStrict);
      if (!call) return reply;
      const { isStrict, read } = call;
      const query = new FieldReader(request.query as Fields, 'query');
      const [isAsync, isForced] = [query.flag('async', false), query.flag('force', false)];
      const names = read.texts('feature_views', { nullable: true });
      const version = read.textOrNull('version');
      read.flag('full_feature_names', false);
      const asked = rangeOf(read);
      const detail = [...query.detail, ...read.detail];
      if (detail.length > 0) return sendInvalid(reply, detail);
      if (version !== undefined) {
        const message = 'version cannot be given: what is stored of a view serves all of its versions that compute the same';
        return sendFeastError(reply, refusal(message), isStrict);
      }
      const views = viewsOf(options, names);
      if ('status' in views) return sendFeastError(reply, views, isStrict);
      if (typeof asked === 'string') return sendFeastError(reply, refusal(asked), isStrict);
      const materialize = (): Promise<void> => options.materialize(views, asked, options.metadata(request));
      return run(options, running, views, { isAsync, isForced, materialize }, reply);
    });
  };
  route('/materialize', (read) => {
    const isWhole = read.flag('disable_event_timestamp', false);
    const [start, end] = [read.textOrNull('start_ts'), read.textOrNull('end_ts')];
    if (isWhole) return { from: null };
    if (start === undefined || end === undefined) return 'start_ts and end_ts are needed unless disable_event_timestamp is true';
    const problem = timeProblem('start_ts', start) ?? timeProblem('end_ts', end);
    if (problem !== undefined) return problem;
    const [from, to] = [start, end].map((text) => parseEventTime(text) as number) as [number, number];
    return from < to ? { from, to: endOf(to) } : `start_ts ${start} must be before end_ts ${end}`;
  });
  route('/materialize-incremental', (read) => {
    const end = read.text('end_ts');
    // A body without one is refused before this is looked at.
    if (typeof end !== 'string') return {};
    return timeProblem('end_ts', end) ?? { to: endOf(parseEventTime(end) as number) };
  });
}

/** Feast's range includes its end; of the last moment that can be told there is none after it. */
function endOf(time: number): number {
  return parseEventTime(time + 1) ?? time;
}

async function run(
  options: MaterializeOptions,
  running: Map<string, number>,
  views: readonly ViewPlan[],
  { isAsync, isForced, materialize }: { readonly isAsync: boolean; readonly isForced: boolean; readonly materialize: () => Promise<void> },
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (!isAsync) {
    await materialize();
    return sendJson(reply, 200, 'null');
  }
  const names = views.map(({ name }) => name);
  const busy = isForced ? [] : views.filter((view) => running.has(view.name) || options.isBusy(view)).map(({ name }) => name);
  if (busy.length > 0) {
    const error = `Feature views ${busy.join(', ')} are being materialized; wait for that, or ask with ?force=true`;
    return sendJson(reply, 409, JSON.stringify({ error, feature_views: busy }));
  }
  for (const name of names) running.set(name, (running.get(name) ?? 0) + 1);
  void materialize()
    .catch((error: unknown) => options.failed(names, error))
    .finally(() => {
      for (const name of names) {
        const left = (running.get(name) ?? 1) - 1;
        if (left === 0) running.delete(name);
        else running.set(name, left);
      }
    });
  return sendJson(reply, 202, JSON.stringify({ status: 'accepted', feature_views: names }));
}

function viewsOf(options: MaterializeOptions, names: readonly string[] | undefined): readonly ViewPlan[] | FeastError {
  if (!names) return options.onlineViews();
  const views: ViewPlan[] = [];
  for (const name of names) {
    const view = options.view(name);
    if (!view) return options.isOnDemand(name) ? computedOnDemand(name) : viewNotFound(name);
    if (!view.online) return notOnline(name);
    views.push(view);
  }
  return views;
}

function timeProblem(field: string, text: string): string | undefined {
  return parseEventTime(text) === undefined ? `${field} ${JSON.stringify(text)} is no time, such as 2026-01-31T12:00:00Z` : undefined;
}
