import type { CommandMetadata } from '@millrace/kernel';
import { ProblemError, sendPosition } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import type { TrainingSetState } from '../../domain/training-set/training-set.decider.js';
import { parseTrainingSetRequest, type TrainingSetInput } from '../../training-sets/training-set-request.js';
import type { BuildProgress, RequestedTrainingSet } from '../../training-sets/training-sets.js';

export interface TrainingSetRoutesOptions {
  readonly request: (input: TrainingSetInput, metadata: CommandMetadata) => Promise<RequestedTrainingSet>;
  /** Told whether the state is read up to what the caller has seen. */
  readonly state: (request: FastifyRequest, id: string) => Promise<TrainingSetState>;
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

const PARQUET = 'application/vnd.apache.parquet';

/** `POST /api/v1/training-sets`, `GET /api/v1/training-sets/{id}` and `/data`. */
export function trainingSetRoutes(scope: FastifyInstance, options: TrainingSetRoutesOptions): void {
  scope.post('/api/v1/training-sets', async (request, reply) => {
    const input = parseTrainingSetRequest(request.body);
    if ('reason' in input) throw new ProblemError(400, 'MR_FEATURES_TRAINING_SET_INVALID', input.reason);
    const { id, position } = await asProblem(options.request(input, options.metadata(request)));
    if (position) sendPosition(reply, position);
    const state = await options.state(request, id);
    return reply
      .code(state.status === 'built' ? 200 : 202)
      .header('location', `/api/v1/training-sets/${id}`)
      .send(show(id, state, options));
  });
  scope.get<{ Params: { id: string } }>('/api/v1/training-sets/:id', async (request) => {
    const { id } = request.params;
    return show(id, await existing(options, request, id), options);
  });
  scope.get<{ Params: { id: string } }>('/api/v1/training-sets/:id/data', async (request, reply) => {
    const { id } = request.params;
    const state = await existing(options, request, id);
    if (state.status !== 'built')
      throw new ProblemError(409, 'MR_FEATURES_TRAINING_SET_NOT_BUILT', `training set ${id} is ${state.status}`);
    return reply
      .header('content-type', PARQUET)
      .header('content-length', String(state.result.bytes))
      .header('etag', `"${state.result.sha256}"`)
      .header('content-disposition', `attachment; filename="${id}.parquet"`)
      .send(await options.open(state.result.path));
  });
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
  const { featureService, timestampColumn, positions, versions } = state.request;
  const common = { id, status: state.status, featureService, timestampColumn, positions, versions, requestedAt: time(state.requestedAt) };
  switch (state.status) {
    case 'requested':
      return { ...common, progress: progress(id) ?? null };
    case 'failed':
      return { ...common, error: state.failure.message, code: state.failure.code };
    case 'built': {
      const { rows, columns, bytes, sha256, path } = state.result;
      return { ...common, rows, columns, bytes, sha256, uri: uri(path), builtAt: time(state.builtAt) };
    }
  }
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

async function asProblem<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const status = code === undefined ? undefined : CLIENT_FAULTS[code];
    if (status === undefined) throw error;
    throw new ProblemError(status, code as string, message);
  }
}
