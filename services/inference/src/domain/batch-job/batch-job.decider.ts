import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { BatchChunkScored, BatchJobCompleted, BatchJobEvent, BatchJobFailed, BatchJobRequested } from './batch-job.events.js';

export const BATCH_JOB = 'batch-job';

/** A job's id says what it computes, so asking for it twice is asking for one thing. */
export function batchJobSubject(id: string): string {
  return `${BATCH_JOB}/${id}`;
}

export type BatchJobStatus = 'running' | 'completed' | 'failed' | 'cancelled';

export interface BatchJob {
  readonly status: BatchJobStatus;
  readonly request: BatchJobRequested;
  /** How often it was asked for and begun, from 1: what it writes meanwhile lies under this number. */
  readonly attempt: number;
  readonly actor: string;
  readonly requestedAt: number;
  /** When it last came on. */
  readonly seenAt: number;
  readonly endedAt: number | null;
  /** In their order. */
  readonly chunks: readonly BatchChunkScored[];
  readonly rows: number;
  readonly failed: number;
  readonly result: BatchJobCompleted | null;
  readonly failure: Pick<BatchJobFailed, 'code' | 'message' | 'row'> | null;
  /** When its output was deleted; absent while it has one. */
  readonly deletedAt?: number;
}

export type BatchJobState = { readonly status: 'absent' } | BatchJob;

export type BatchJobCommand =
  | (Command<'RequestBatchJob'> & { readonly request: BatchJobRequested })
  | (Command<'ScoreBatchChunk'> & { readonly attempt: number; readonly scored: BatchChunkScored })
  | (Command<'CompleteBatchJob'> & { readonly attempt: number; readonly result: Omit<BatchJobCompleted, 'rows' | 'failed'> })
  | (Command<'FailBatchJob'> & { readonly attempt: number; readonly failure: Pick<BatchJobFailed, 'code' | 'message' | 'row'> })
  | Command<'CancelBatchJob'>
  | Command<'DeleteBatchOutput'>;

export type BatchJobRejection = Rejection<
  | 'MR_INFERENCE_BATCH_JOB_NOT_FOUND'
  | 'MR_INFERENCE_BATCH_JOB_OVER'
  | 'MR_INFERENCE_BATCH_JOB_DIFFERS'
  | 'MR_INFERENCE_BATCH_JOB_RUNNING'
  | 'MR_INFERENCE_BATCH_JOB_WITHOUT_DATA'
>;

type BatchJobDecision = Decision<BatchJobEvent, BatchJobRejection>;

export function chunksOf({ rows, chunkRows }: Pick<BatchJobRequested, 'rows' | 'chunkRows'>): number {
  return Math.ceil(rows / chunkRows);
}

/**
 * A batch job: requested, then chunk by chunk in their order, then completed; or failed or cancelled, and then requested anew, as is one whose
 * output was deleted.
 */
export const batchJob: Decider<BatchJobState, BatchJobCommand, BatchJobEvent, BatchJobRejection> = {
  initial: () => ({ status: 'absent' }),

  evolve: (state, event, { time, actor }) => {
    if (event.type === 'BatchJobRequested') {
      return {
        status: 'running',
        request: event.data,
        attempt: state.status === 'absent' ? 1 : state.attempt + 1,
        ...{ actor, requestedAt: time, seenAt: time, endedAt: null },
        ...{ chunks: [], rows: 0, failed: 0, result: null, failure: null },
      };
    }
    if (state.status === 'absent') return state;
    switch (event.type) {
      case 'BatchChunkScored': {
        const { rows, failed } = event.data;
        return { ...state, seenAt: time, chunks: [...state.chunks, event.data], rows: state.rows + rows, failed: state.failed + failed };
      }
      case 'BatchJobCompleted':
        return { ...state, status: 'completed', seenAt: time, endedAt: time, result: event.data };
      case 'BatchJobFailed': {
        const { code, message, row } = event.data;
        return { ...state, status: 'failed', seenAt: time, endedAt: time, failure: { code, message, row } };
      }
      case 'BatchJobCancelled':
        return { ...state, status: 'cancelled', seenAt: time, endedAt: time };
      case 'BatchOutputDeleted':
        return { ...state, deletedAt: time };
    }
  },

  decide: (command, state): BatchJobDecision => {
    if (command.type === 'RequestBatchJob') {
      const isThere = state.status === 'running' || (state.status === 'completed' && state.deletedAt === undefined);
      return isThere ? unchanged : accept('BatchJobRequested', command.request);
    }
    if (state.status === 'absent') return reject('MR_INFERENCE_BATCH_JOB_NOT_FOUND', 'there is no such batch job');
    const { rows, failed } = state;
    if (command.type === 'CancelBatchJob') {
      if (state.status === 'cancelled') return unchanged;
      return state.status === 'running' ? accept('BatchJobCancelled', { rows, failed }) : over(state);
    }
    if (command.type === 'DeleteBatchOutput') return deleteOutput(state);
    if (command.attempt !== state.attempt) return over(state);
    switch (command.type) {
      case 'ScoreBatchChunk':
        return scoreChunk(command.scored, state);
      case 'CompleteBatchJob':
        return complete({ rows, failed, ...command.result }, state);
      case 'FailBatchJob':
        return state.status === 'running' ? accept('BatchJobFailed', { ...command.failure, rows, failed }) : over(state);
    }
  },
};

/** Chunks come in their order. One that is there already was scored by another process, and the first in the log stands. */
function scoreChunk(scored: BatchChunkScored, state: BatchJob): BatchJobDecision {
  if (state.status !== 'running') return over(state);
  if (scored.chunk < state.chunks.length) return unchanged;
  if (scored.chunk > state.chunks.length || scored.chunk >= chunksOf(state.request))
    return reject('MR_INFERENCE_BATCH_JOB_DIFFERS', `chunk ${scored.chunk} is not the next one, which is ${state.chunks.length}`);
  return accept('BatchChunkScored', scored);
}

function complete(result: BatchJobCompleted, state: BatchJob): BatchJobDecision {
  if (state.status === 'completed' && state.result?.sha256 === result.sha256) return unchanged;
  if (state.status !== 'running') return over(state);
  if (state.rows !== state.request.rows)
    return reject('MR_INFERENCE_BATCH_JOB_DIFFERS', `${state.rows} of ${state.request.rows} rows are scored; the rest comes first`);
  return accept('BatchJobCompleted', result);
}

function deleteOutput({ status, result, deletedAt, request }: BatchJob): BatchJobDecision {
  const job = `batch job ${request.batchJobId}`;
  if (status === 'running') return reject('MR_INFERENCE_BATCH_JOB_RUNNING', `${job} is running; cancel it, or wait until it is completed`);
  if (!result) return reject('MR_INFERENCE_BATCH_JOB_WITHOUT_DATA', `${job} is ${status} and has no output`);
  const { path, bytes, table } = result;
  return deletedAt === undefined ? accept('BatchOutputDeleted', { path, bytes, table }) : unchanged;
}

function over({ status, request, attempt }: BatchJob): BatchJobDecision {
  return reject('MR_INFERENCE_BATCH_JOB_OVER', `batch job ${request.batchJobId} is ${status} (attempt ${attempt})`, {
    batchJobId: request.batchJobId,
    status,
  });
}
