import { type CommandMetadata, parseShallowJson } from '@millrace/kernel';
import { AT_LEAST, jsonOf, PAGED, pageOf, ProblemError, publicPath, sendPosition, WAIT, waitOf, type PageQuery } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import type { TrainingSetState } from '../../domain/training-set/training-set.decider.js';
import type { TrainingSetRequested } from '../../domain/training-set/training-set.events.js';
import { formatOf } from '../../training-sets/training-set-format.js';
import { parseTrainingSetRequest, parseUploadedSpine, type TrainingSetInput } from '../../training-sets/training-set-request.js';
import type { BuildProgress, RequestedTrainingSet } from '../../training-sets/training-sets.js';
import { NO_TRAINING_SET, TRAINING_SET_ANSWER, TRAINING_SETS_ANSWER } from './answers.js';
import { asProblem } from './as-problem.js';
import { TRAINING_SET_REQUEST } from './bodies.js';
import { doc } from './doc.js';

export interface TrainingSetRoutesOptions {
  readonly request: (input: TrainingSetInput, metadata: CommandMetadata) => Promise<RequestedTrainingSet>;
  /** Told whether the state is read up to what the caller has seen. */
  readonly state: (request: FastifyRequest, id: string) => Promise<TrainingSetState>;
  /** Resolves when a set is built or has failed, or after so long. */
  readonly settled: (id: string, waitMs: number) => Promise<void>;
  /** The newest first. */
  readonly list: () => Promise<readonly { readonly id: string; readonly state: TrainingSetState }[]>;
  readonly progress: (id: string) => BuildProgress | undefined;
  readonly metadata: (request: FastifyRequest) => CommandMetadata;
  readonly open: (path: string) => Promise<Readable>;
  readonly uri: (path: string) => string;
}

/** Faults of a request that the requester has to mend. */
const CLIENT_FAULTS: Readonly<Record<string, number>> = {
  MR_FEATURES_SPINE: 422,
  MR_FEATURES_SERVICE_NOT_FOUND: 404,
  MR_FEATURES_DEFINITION: 422,
};

const MEDIA_TYPES = { parquet: 'application/vnd.apache.parquet', arrow: 'application/vnd.apache.arrow.file' } as const;
/** Files of rows by their Content-Type. */
const SPINE_TYPES: Readonly<Record<string, 'parquet' | 'csv'>> = {
  [MEDIA_TYPES.parquet]: 'parquet',
  'application/x-parquet': 'parquet',
  'text/csv': 'csv',
};

/**
 * `POST /api/v1/training-sets` (JSON, or a file of rows with the rest as query parameters), `GET /api/v1/training-sets`, `/{id}` and
 * `/{id}/data`. `?wait=2m` answers once the set is built, or then.
 */
export function trainingSetRoutes(scope: FastifyInstance, options: TrainingSetRoutesOptions): void {
  const requesting = doc('Requests a training set, which is built once.', {
    description: 'A file of rows is a Parquet or CSV body, with the other fields as query parameters.',
    query: WAIT,
    body: { 'application/json': TRAINING_SET_REQUEST, [MEDIA_TYPES.parquet]: 'bytes', 'text/csv': 'text' },
    answer: jsonOf(TRAINING_SET_ANSWER),
    statuses: { 200: 'It is built, or failed.', 202: 'It is being built.' },
    errors: { 404: 'There is no such FeatureService.', 422: 'Its rows or its definitions cannot be used.' },
  });
  scope.post<{ Querystring: Query }>('/api/v1/training-sets', requesting, async (request, reply) => {
    const waitMs = waitOf(request.query.wait, invalid);
    const input = inputOf(request);
    if ('reason' in input) throw new ProblemError(400, 'MR_FEATURES_TRAINING_SET_INVALID', input.reason);
    const { id, position } = await asProblem(options.request(input, options.metadata(request)), CLIENT_FAULTS);
    if (position) sendPosition(reply, position);
    await options.settled(id, waitMs);
    const state = await options.state(request, id);
    return reply
      .code(state.status === 'requested' ? 202 : 200)
      .header('location', publicPath(request, `/api/v1/training-sets/${id}`))
      .send(show(id, state, options));
  });
  const listing = doc('Lists training sets, the newest first.', {
    query: PAGED,
    answer: jsonOf(TRAINING_SETS_ANSWER),
  });
  scope.get<{ Querystring: Query }>('/api/v1/training-sets', listing, async (request) => {
    const { page, next } = await pageOf(request.query, { items: options.list, tokenOf: ({ id }) => id, invalid });
    return { trainingSets: page.map(({ id, state }) => show(id, state, options)), ...next };
  });
  const showing = doc('Shows a training set.', {
    query: { ...WAIT, ...AT_LEAST },
    answer: jsonOf(TRAINING_SET_ANSWER),
    errors: NO_TRAINING_SET,
  });
  scope.get<{ Params: { id: string }; Querystring: Query }>('/api/v1/training-sets/:id', showing, async (request) => {
    const { id } = request.params;
    await waitFor(options, request, id);
    return show(id, await existing(options, request, id), options);
  });
  const reading = doc('The rows of a training set.', {
    query: { ...WAIT, ...AT_LEAST },
    answer: { [MEDIA_TYPES.parquet]: 'bytes', [MEDIA_TYPES.arrow]: 'bytes' },
    errors: { ...NO_TRAINING_SET, 409: 'It is not built.' },
  });
  scope.get<{ Params: { id: string }; Querystring: Query }>('/api/v1/training-sets/:id/data', reading, async (request, reply) => {
    const { id } = request.params;
    await waitFor(options, request, id);
    const state = await existing(options, request, id);
    if (state.status === 'failed')
      throw new ProblemError(409, 'MR_FEATURES_TRAINING_SET_FAILED', `training set ${id}: ${state.failure.message}`);
    if (state.status !== 'built')
      throw new ProblemError(409, 'MR_FEATURES_TRAINING_SET_NOT_BUILT', `training set ${id} is ${state.status}; ask with ?wait=10m`);
    const kind = state.result.path.endsWith('.arrow') ? 'arrow' : 'parquet';
    return reply
      .header('content-type', MEDIA_TYPES[kind])
      .header('content-length', String(state.result.bytes))
      .header('etag', `"${state.result.sha256}"`)
      .header('content-disposition', `attachment; filename="${id}.${kind}"`)
      .send(await options.open(state.result.path));
  });
}

interface Query extends PageQuery {
  readonly wait?: string;
}

function inputOf(request: FastifyRequest<{ Querystring: Query }>): ReturnType<typeof parseTrainingSetRequest> {
  const bytes = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
  const format = SPINE_TYPES[type];
  if (format) {
    const { wait: _wait, ...query } = request.query;
    return parseUploadedSpine(query, { kind: 'file', format, bytes });
  }
  try {
    return parseTrainingSetRequest(parseShallowJson(bytes.toString('utf8')));
  } catch (error) {
    const files = Object.keys(SPINE_TYPES).join(', ');
    return { reason: `the body is not JSON (${error instanceof Error ? error.message : String(error)}); a file of rows says so: ${files}` };
  }
}

function invalid(message: string): ProblemError {
  return new ProblemError(400, 'MR_FEATURES_TRAINING_SET_INVALID', message);
}

async function waitFor(options: TrainingSetRoutesOptions, request: FastifyRequest<{ Querystring: Query }>, id: string): Promise<void> {
  const waitMs = waitOf(request.query.wait, invalid);
  if (waitMs === 0) return;
  // Requested through another process a moment ago, it is not known here before this.
  await options.state(request, id);
  await options.settled(id, waitMs);
}

async function existing(
  options: TrainingSetRoutesOptions,
  request: FastifyRequest,
  id: string,
): Promise<Exclude<TrainingSetState, { status: 'absent' }>> {
  const state = await options.state(request, id);
  if (state.status === 'absent') throw new ProblemError(404, 'MR_FEATURES_TRAINING_SET_NOT_FOUND', `there is no training set ${id}`);
  return state;
}

function show(id: string, state: TrainingSetState, { progress, uri }: TrainingSetRoutesOptions): object {
  if (state.status === 'absent') return { id, status: state.status };
  const { featureService, featureServiceVersion, timestampColumn, positions, versions } = state.request;
  const version = featureServiceVersion === undefined ? {} : { featureServiceVersion };
  const known = state.request.knownBy === undefined ? {} : { knownBy: state.request.knownBy };
  const common = {
    ...known,
    id,
    status: state.status,
    featureService,
    ...version,
    pii: personalColumns(state.request),
    timestampColumn,
    format: formatOf(state.request),
    positions,
    versions,
    requestedAt: time(state.requestedAt),
  };
  switch (state.status) {
    case 'requested':
      return { ...common, progress: progress(id) ?? null };
    case 'failed':
      return { ...common, error: state.failure.message, code: state.failure.code };
    case 'built': {
      const { rows, columns, bytes, sha256, path, table } = state.result;
      const where = table === undefined ? {} : { table };
      return { ...common, rows, columns, bytes, sha256, uri: uri(path), ...where, builtAt: time(state.builtAt) };
    }
  }
}

/** Columns of features that tell about a person, as their definitions say. */
function personalColumns({ features, definitions, onDemand = [] }: TrainingSetRequested): string[] {
  const personal = [...definitions.map(({ view }) => view), ...onDemand].flatMap((view) =>
    (view['features'] as { name: string; pii?: boolean }[]).flatMap(({ name, pii }) =>
      pii === true ? [`${String(view['name'])}:${name}`] : [],
    ),
  );
  return features.flatMap(({ view, feature, column }) => (personal.includes(`${view}:${feature}`) ? [column] : []));
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
