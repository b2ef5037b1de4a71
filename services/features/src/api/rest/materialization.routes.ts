import { parseEventTime, TIME_FORMS } from '@millrace/feature-engine';
import type { CommandMetadata, Position } from '@millrace/kernel';
import {
  AT_LEAST,
  jsonOf,
  PAGED,
  pageOf,
  ProblemError,
  publicPath,
  sendPosition,
  SHORT_PAGE,
  WAIT,
  waitOf,
  type PageQuery,
} from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { runOf, type MaterializationRun, type MaterializationState } from '../../domain/materialization/materialization.decider.js';
import type { Asked, RequestedMaterialization } from '../../materialization/materializations.js';
import { materializationStatus } from '../../queries/materialization-status.query.js';
import { MATERIALIZATION_ANSWER, MATERIALIZATIONS_ANSWER, NO_SOURCE } from './answers.js';
import { asProblem } from './as-problem.js';
import { MATERIALIZATION_REQUEST } from './bodies.js';
import { doc } from './doc.js';

export interface MaterializationRoutesOptions {
  readonly request: (source: string, asked: Asked, metadata: CommandMetadata) => Promise<RequestedMaterialization>;
  readonly cancel: (source: string, id: string, metadata: CommandMetadata) => Promise<Position>;
  readonly settled: (source: string, id: string, waitMs: number) => Promise<unknown>;
  /** Read up to what the caller has seen; throws where there is no such source, or none that is materialized. */
  readonly state: (request: FastifyRequest, source: string) => Promise<MaterializationState>;
  /** Rows of a run's interval, where this process reads them. */
  readonly total: (id: string) => number | undefined;
  readonly metadata: (request: FastifyRequest) => CommandMetadata;
}

type Params = { readonly name: string; readonly id: string };
interface Query extends PageQuery {
  readonly wait?: string;
}

/** Faults and rejections that the requester has to mend. */
const STATUSES: Readonly<Record<string, number>> = {
  MR_FEATURES_SOURCE_NOT_FOUND: 404,
  MR_FEATURES_SOURCE_NOT_BATCH: 409,
  MR_FEATURES_BATCH: 422,
  MR_FEATURES_MATERIALIZATION_INVALID: 400,
  MR_FEATURES_MATERIALIZATION_NOT_FOUND: 404,
  MR_FEATURES_MATERIALIZATION_RUNNING: 409,
  MR_FEATURES_MATERIALIZATION_OVER: 409,
};

const told = <T>(work: Promise<T>): Promise<T> => asProblem(work, STATUSES);

const PATH = '/api/v1/sources/:name/materializations';

/**
 * Materializations of a source with a query, a table or files. `POST .../materializations` `{from?, to?}` begins one: event times, RFC 3339 or
 * milliseconds; `from: null` is the first row there is, without `from` it goes on where the last one ended, and `to` is now. 202 with
 * the run; 409 names the one that is under way. `GET .../materializations[/{id}]` shows them, the newest first;
 * `POST .../materializations/{id}/cancel` stops one. `?wait=2m` answers once the run is over, or then.
 */
export function materializationRoutes(scope: FastifyInstance, options: MaterializationRoutesOptions): void {
  const beginning = doc('Begins a materialization of a source with a query, a table or files.', {
    query: WAIT,
    body: jsonOf(MATERIALIZATION_REQUEST),
    answer: jsonOf(MATERIALIZATION_ANSWER),
    statuses: { 200: 'It is over.', 202: 'It runs.' },
    errors: {
      ...NO_SOURCE,
      409: 'Another is under way, or the source has no query, table or files.',
      422: 'Its query, table or files cannot be read.',
    },
  });
  scope.post<{ Params: Params; Querystring: Query }>(PATH, beginning, async (request, reply) => {
    const { name } = request.params;
    const waitMs = waitOf(request.query.wait, invalid);
    const { id, position } = await told(options.request(name, askedOf(request.body ?? {}), options.metadata(request)));
    sendPosition(reply, position);
    if (waitMs > 0) await options.settled(name, id, waitMs);
    const run = existing(await options.state(request, name), id);
    const location = publicPath(request, `/api/v1/sources/${name}/materializations/${id}`);
    return reply
      .code(run.status === 'running' ? 202 : 200)
      .header('location', location)
      .send(show(run, options));
  });
  const listing = doc('Lists the materializations of a source, the newest first.', {
    query: { ...PAGED, ...AT_LEAST },
    answer: jsonOf(MATERIALIZATIONS_ANSWER),
    errors: NO_SOURCE,
  });
  const noRun = { 404: 'There is no such source, or no such materialization of it.' };
  scope.get<{ Params: Params; Querystring: Query }>(PATH, listing, async (request) => {
    const { name } = request.params;
    const state = await told(options.state(request, name));
    const items = (): MaterializationRun[] => [...state.runs].reverse();
    const { page, next } = await pageOf(request.query, { items, tokenOf: ({ id }) => id, size: SHORT_PAGE, invalid });
    return {
      source: name,
      count: state.count,
      ...materializationStatus(state),
      materializations: page.map((run) => show(run, options)),
      ...next,
    };
  });
  scope.get<{ Params: Params; Querystring: Query }>(
    `${PATH}/:id`,
    doc('Shows a materialization.', { query: { ...WAIT, ...AT_LEAST }, answer: jsonOf(MATERIALIZATION_ANSWER), errors: noRun }),
    async (request) => {
      const { name, id } = request.params;
      const waitMs = waitOf(request.query.wait, invalid);
      const run = existing(await told(options.state(request, name)), id);
      if (waitMs === 0) return show(run, options);
      await options.settled(name, id, waitMs);
      return show(existing(await told(options.state(request, name)), id), options);
    },
  );
  scope.post<{ Params: Params }>(
    `${PATH}/:id/cancel`,
    doc('Stops a materialization.', {
      body: {},
      answer: jsonOf(MATERIALIZATION_ANSWER),
      errors: { ...noRun, 409: 'It is over.' },
    }),
    async (request, reply) => {
      const { name, id } = request.params;
      const position = await told(options.cancel(name, id, options.metadata(request)));
      sendPosition(reply, position);
      return show(existing(await told(options.state(request, name)), id), options);
    },
  );
}

function askedOf(body: unknown): Asked {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('the body must be a JSON object');
  const { from, to, ...rest } = body as Record<string, unknown>;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw invalid(`there is no field ${unknown}; the fields are from and to`);
  return { from: from === null ? null : timeOf('from', from), to: timeOf('to', to) };
}

function timeOf(field: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const parsed = parseEventTime(value);
  if (parsed === undefined) throw invalid(`${field} must be ${TIME_FORMS}`);
  return parsed;
}

function existing(state: MaterializationState, id: string): MaterializationRun {
  const run = runOf(state, id);
  if (!run) throw new ProblemError(404, 'MR_FEATURES_MATERIALIZATION_NOT_FOUND', `there is no materialization ${id} of this source`);
  return run;
}

function show(run: MaterializationRun, { total }: MaterializationRoutesOptions): object {
  const { id, version, status, from, to, reached, trigger, actor, rows, rejected, startedAt, endedAt, failure } = run;
  return {
    ...{ id, version, status, trigger, actor },
    ...{ from: from === null ? null : time(from), to: time(to), reached: reached === null ? null : time(reached) },
    rows: { ...rows, total: run.status === 'running' ? (total(id) ?? null) : rows.read },
    rejected: rejected.map((row) => ({ time: row.time === null ? null : time(row.time), reason: row.reason })),
    ...{ startedAt: time(startedAt), endedAt: endedAt === null ? null : time(endedAt) },
    ...(failure === null ? {} : { error: failure.message, code: failure.code }),
  };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function invalid(message: string): ProblemError {
  return new ProblemError(400, 'MR_FEATURES_MATERIALIZATION_INVALID', message);
}
