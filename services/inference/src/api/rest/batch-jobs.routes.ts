import { isFault, type CommandMetadata, type Position } from '@millrace/kernel';
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
import type { Readable } from 'node:stream';
import { parseBatchJobRequest, parseUploadedRows, type BatchJobInput } from '../../batch/batch-job-request.js';
import type { BatchProgress, RequestedBatchJob } from '../../batch/batch-jobs.js';
import { chunksOf, type BatchJob, type BatchJobState } from '../../domain/batch-job/batch-job.decider.js';
import { isRefusal, type RefusalCode } from '../../domain/refusal.js';
import { BATCH_JOB_ANSWER, BATCH_JOBS_ANSWER, NO_JOB } from './answers.js';
import { BATCH_JOB_REQUEST } from './bodies.js';
import { doc } from './doc.js';

export interface BatchJobRoutesOptions {
  readonly request: (input: BatchJobInput, metadata: CommandMetadata) => Promise<RequestedBatchJob>;
  readonly cancel: (id: string, metadata: CommandMetadata) => Promise<Position>;
  readonly deleteOutput: (id: string, metadata: CommandMetadata) => Promise<Position>;
  /** Read up to what the caller has seen. */
  readonly state: (request: FastifyRequest, id: string) => Promise<BatchJobState>;
  /** Resolves when a job is over, or after so long. */
  readonly settled: (id: string, waitMs: number) => Promise<void>;
  /** The newest first. */
  readonly list: () => Promise<readonly { readonly id: string; readonly job: BatchJob }[]>;
  readonly progress: (id: string) => BatchProgress | undefined;
  readonly metadata: (request: FastifyRequest) => CommandMetadata;
  readonly open: (path: string) => Promise<Readable>;
  readonly uri: (path: string) => string;
}

interface Query extends PageQuery {
  readonly wait?: string;
  readonly status?: string;
  readonly model?: string;
}

const PATH = '/api/v1/batch-jobs';
const PARQUET = 'application/vnd.apache.parquet';
/** Files of rows by their Content-Type. */
const FILES: Readonly<Record<string, 'parquet' | 'csv'>> = { [PARQUET]: 'parquet', 'application/x-parquet': 'parquet', 'text/csv': 'csv' };
const STATUSES = ['running', 'completed', 'failed', 'cancelled'];

/** Faults, rejections and refusals that the requester has to mend or wait for. */
const FAULTS: Readonly<Record<string, number>> = {
  MR_INFERENCE_BATCH_INPUT: 422,
  MR_INFERENCE_TRAINING_SET_NOT_FOUND: 404,
  MR_INFERENCE_BATCH_JOB_NOT_FOUND: 404,
  MR_INFERENCE_BATCH_JOB_OVER: 409,
  MR_INFERENCE_BATCH_JOB_RUNNING: 409,
  MR_INFERENCE_BATCH_JOB_WITHOUT_DATA: 409,
};
const REFUSALS: Partial<Readonly<Record<RefusalCode, number>>> = {
  MR_INFERENCE_INVALID: 422,
  MR_INFERENCE_UNKNOWN_MODEL: 404,
  MR_INFERENCE_UNKNOWN_VERSION: 404,
  MR_INFERENCE_UNSERVABLE: 409,
  MR_INFERENCE_NOT_ADMITTED: 403,
};

/**
 * `POST /api/v1/batch-jobs` (JSON, or a Parquet or CSV file with the settings as query parameters), `GET /api/v1/batch-jobs`, `/{id}` and `/{id}/data`,
 * `DELETE /api/v1/batch-jobs/{id}` and `POST .../{id}/cancel`, which are the same; `DELETE /api/v1/batch-jobs/{id}/output` deletes the output of a completed
 * job (409 while it runs or where it has none; a second time is no error), whose `data` is 410 then. `?wait=2m` answers once the job is over, or then. 202 while it runs;
 * the same request again is the same job.
 */
export function batchJobRoutes(scope: FastifyInstance, options: BatchJobRoutesOptions): void {
  const shown = { answer: jsonOf(BATCH_JOB_ANSWER) };
  const requesting = doc('Requests a batch job, which scores a table or a file with a model.', {
    description: 'A file of rows is a Parquet or CSV body, with the other fields as query parameters.',
    query: WAIT,
    body: { 'application/json': BATCH_JOB_REQUEST, [PARQUET]: 'bytes', 'text/csv': 'text' },
    ...shown,
    statuses: { 200: 'It is over.', 202: 'It runs.' },
    errors: {
      403: 'A policy keeps the version from being served.',
      404: 'There is no such model, version or training set.',
      409: 'The version cannot be served.',
      422: 'Its rows cannot be used.',
    },
  });
  scope.post<{ Querystring: Query }>(PATH, requesting, async (request, reply) => {
    const waitMs = waitOf(request.query.wait, invalid);
    const input = inputOf(request);
    if ('reason' in input) throw invalid(input.reason);
    const { id, position } = await told(options.request(input, options.metadata(request)));
    sendPosition(reply, position);
    if (waitMs > 0) await options.settled(id, waitMs);
    const job = await existing(options, request, id);
    return reply
      .code(job.status === 'running' ? 202 : 200)
      .header('location', publicPath(request, `${PATH}/${id}`))
      .send(show(id, job, options));
  });
  const listing = doc('Lists batch jobs, the newest first.', {
    query: { status: { description: 'Only those.', enum: STATUSES }, model: 'Only those of a model.', ...PAGED },
    answer: jsonOf(BATCH_JOBS_ANSWER),
  });
  scope.get<{ Querystring: Query }>(PATH, listing, async (request) => {
    const { status, model } = request.query;
    if (status !== undefined && !STATUSES.includes(status)) throw invalid(`status must be one of ${STATUSES.join(', ')}`);
    const { page, next } = await pageOf(request.query, {
      items: options.list,
      tokenOf: ({ id }) => id,
      isWanted: ({ job }) => (status === undefined || job.status === status) && (model === undefined || job.request.model === model),
      size: SHORT_PAGE,
      invalid,
    });
    return { batchJobs: page.map(({ id, job }) => show(id, job, options)), ...next };
  });
  const asked = { ...WAIT, ...AT_LEAST };
  scope.get<{ Params: { id: string }; Querystring: Query }>(
    `${PATH}/:id`,
    doc('Shows a batch job.', { query: asked, ...shown, errors: NO_JOB }),
    async (request) => {
      const { id } = request.params;
      return show(id, await waited(options, request, id), options);
    },
  );
  const reading = doc('The output of a batch job.', {
    query: asked,
    answer: { [PARQUET]: 'bytes' },
    errors: { ...NO_JOB, 409: 'It has no output.', 410: 'Its output was deleted.' },
  });
  scope.get<{ Params: { id: string }; Querystring: Query }>(`${PATH}/:id/data`, reading, async (request, reply) => {
    const { id } = request.params;
    const { status, result, failure, deletedAt } = await waited(options, request, id);
    if (deletedAt !== undefined) {
      const when = `the output of batch job ${id} was deleted at ${time(deletedAt)}`;
      throw new ProblemError(410, 'MR_INFERENCE_BATCH_JOB_WITHOUT_DATA', `${when}; ask for the job again to have it computed anew`);
    }
    if (!result) {
      const why = failure ? `: ${failure.message}` : status === 'running' ? '; ask with ?wait=10m' : '; ask for the job again';
      const code = status === 'running' ? 'MR_INFERENCE_BATCH_JOB_RUNNING' : 'MR_INFERENCE_BATCH_JOB_WITHOUT_DATA';
      throw new ProblemError(409, code, `batch job ${id} is ${status}${why}`);
    }
    return reply
      .header('content-type', PARQUET)
      .header('content-length', String(result.bytes))
      .header('etag', `"${result.sha256}"`)
      .header('content-disposition', `attachment; filename="${id}.parquet"`)
      .send(await options.open(result.path));
  });
  const cancel = async (request: FastifyRequest<{ Params: { id: string } }>): Promise<{ position: Position; body: object }> => {
    const { id } = request.params;
    const position = await toldOf(id, options.cancel(id, options.metadata(request)));
    return { position, body: show(id, await existing(options, request, id), options) };
  };
  scope.delete<{ Params: { id: string } }>(
    `${PATH}/:id`,
    doc('Cancels a batch job, as POST to its `cancel` does.', { ...shown, errors: { ...NO_JOB, 409: 'It is over.' } }),
    async (request, reply) => {
      const { position, body } = await cancel(request);
      sendPosition(reply, position);
      return body;
    },
  );
  scope.delete<{ Params: { id: string } }>(
    `${PATH}/:id/output`,
    doc('Deletes the output of a completed batch job.', { ...shown, errors: { ...NO_JOB, 409: 'It runs, or has no output.' } }),
    async (request, reply) => {
      const { id } = request.params;
      sendPosition(reply, await toldOf(id, options.deleteOutput(id, options.metadata(request))));
      return show(id, await existing(options, request, id), options);
    },
  );
  scope.post<{ Params: { id: string } }>(
    `${PATH}/:id/cancel`,
    doc('Cancels a batch job.', { body: {}, ...shown, errors: { ...NO_JOB, 409: 'It is over.' } }),
    async (request, reply) => {
      const { position, body } = await cancel(request);
      sendPosition(reply, position);
      return body;
    },
  );
}

function inputOf(request: FastifyRequest<{ Querystring: Query }>): ReturnType<typeof parseBatchJobRequest> {
  const bytes = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
  const format = FILES[type];
  if (format) {
    const { wait: _wait, ...query } = request.query as Readonly<Record<string, unknown>>;
    return parseUploadedRows(query, { kind: 'file', format, bytes });
  }
  try {
    return parseBatchJobRequest(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    const types = Object.keys(FILES).join(', ');
    return { reason: `the body is not JSON (${error instanceof Error ? error.message : String(error)}); a file of rows says so: ${types}` };
  }
}

async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isFault(error) && FAULTS[error.code] !== undefined)
      throw new ProblemError(FAULTS[error.code] as number, error.code, error.message, error.details);
    // What is left passes by itself: the model is being loaded, features are not there yet.
    if (isRefusal(error)) throw new ProblemError(REFUSALS[error.code] ?? 503, error.code, error.message);
    throw error;
  }
}

/** {@link told} of what is done to a job, of which the rules know no id. */
async function toldOf<T>(id: string, work: Promise<T>): Promise<T> {
  try {
    return await told(work);
  } catch (error) {
    throw error instanceof ProblemError && error.code === 'MR_INFERENCE_BATCH_JOB_NOT_FOUND' ? noJob(id) : error;
  }
}

function noJob(id: string): ProblemError {
  return new ProblemError(404, 'MR_INFERENCE_BATCH_JOB_NOT_FOUND', `there is no batch job ${id}; list them with GET ${PATH}`);
}

async function waited(options: BatchJobRoutesOptions, request: FastifyRequest<{ Querystring: Query }>, id: string): Promise<BatchJob> {
  const waitMs = waitOf(request.query.wait, invalid);
  const job = await existing(options, request, id);
  if (waitMs === 0 || job.status !== 'running') return job;
  await options.settled(id, waitMs);
  return existing(options, request, id);
}

async function existing({ state }: BatchJobRoutesOptions, request: FastifyRequest, id: string): Promise<BatchJob> {
  const job = await state(request, id);
  if (job.status === 'absent') throw noJob(id);
  return job;
}

function show(id: string, job: BatchJob, { progress, uri }: BatchJobRoutesOptions): object {
  const { request, result, failure } = job;
  const { deployment, model, version, input, featureService, featureTime, outputs, onRowError, log, sampleRate } = request;
  const { path: _path, ...origin } = input;
  const here = job.status === 'running' ? progress(id) : undefined;
  return {
    ...{ id, status: job.status, deployment, model, version, input: origin, columns: request.columns },
    ...{ featureService, featureTime: featureTime === null ? null : time(featureTime), outputs, onRowError, log, sampleRate },
    progress: {
      stage: here?.stage ?? (job.status === 'running' ? 'elsewhere' : 'over'),
      rows: Math.max(job.rows, here?.rows ?? 0),
      failedRows: job.failed,
      totalRows: request.rows,
      chunks: job.chunks.length,
      totalChunks: chunksOf(request),
    },
    ...(result ? { output: { ...shown(result), ...place(job, result.path, uri) } } : {}),
    ...(failure ? { error: failure.message, code: failure.code, row: failure.row } : {}),
    ...{ attempt: job.attempt, actor: job.actor, requestedAt: time(job.requestedAt) },
    endedAt: job.endedAt === null ? null : time(job.endedAt),
  };
}

function shown({ rows, failed, columns, bytes, sha256, table }: NonNullable<BatchJob['result']>): object {
  return { rows, failedRows: failed, columns, bytes, sha256, table };
}

/** Where the output is, or since when it is no more. */
function place({ deletedAt }: BatchJob, path: string, uri: (path: string) => string): object {
  return deletedAt === undefined ? { uri: uri(path) } : { deletedAt: time(deletedAt) };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function invalid(message: string): ProblemError {
  return new ProblemError(400, 'MR_INFERENCE_BATCH_JOB_INVALID', message);
}
