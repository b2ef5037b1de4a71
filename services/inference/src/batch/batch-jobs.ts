import { Fault, isFault, type CommandMetadata, type LoggedDecision, type Position, type Scheduler } from '@millrace/kernel';
import type { DomainLog } from '@millrace/service';
import {
  BATCH_JOB,
  batchJobSubject,
  type BatchJob,
  type BatchJobCommand,
  type BatchJobRejection,
  type BatchJobState,
} from '../domain/batch-job/batch-job.decider.js';
import type { BatchJobEvent } from '../domain/batch-job/batch-job.events.js';
import { isRefusal } from '../domain/refusal.js';
import { passes } from './batch-fault.js';
import type { BatchJobInput } from './batch-job-request.js';
import { chunkDirectory, removeLeftovers, removeOutput } from './job-files.js';
import { planJob, type PlanHost } from './plan-job.js';
import { runJob } from './run-job.js';
import { isRowFailure } from './score-rows.js';

export interface BatchJobsOptions extends PlanHost {
  readonly domain: DomainLog;
  readonly scheduler: Scheduler;
  /** Jobs that run in this process at once; the others wait. */
  readonly mostAtOnce: number;
  /** A job of which nothing was heard for so long is taken up by another process. */
  readonly silentForMs: number;
  /** No other process can be running jobs on these stores. */
  readonly isAlone: boolean;
  readonly observer: BatchJobsObserver;
}

export interface BatchJobsObserver {
  readonly scored: (model: string, rows: number, failed: number) => void;
  readonly ended: (model: string, status: 'completed' | 'failed' | 'cancelled' | 'left') => void;
  /** It is tried again, unless it is told that it is not. */
  readonly troubled: (id: string, error: unknown, isTriedAgain: boolean) => void;
}

/** How far this process has come with a job: rows scored, of chunks that are not decided too. */
export interface BatchProgress {
  readonly stage: 'waiting' | 'input' | 'scoring' | 'output';
  readonly rows: number;
}

export interface RequestedBatchJob {
  readonly id: string;
  readonly position: Position;
}

const LOOK_EVERY_MS = 1_000;
/** Jobs, the newest first, that are looked at for what was left when a process starts. */
const MOST_SWEPT = 10_000;
const TRIES = 6;
const FIRST_PAUSE_MS = 250;
/** Another process decided the chunk that this one had scored. */
const STEPPED_BACK = 'MR_INFERENCE_BATCH_STEPPED_BACK';
const OVER = 'MR_INFERENCE_BATCH_JOB_OVER';

/**
 * Requests, runs, shows and stops batch jobs. A job's id is the digest of what it computes, so asking again is asking for the same one. It runs in
 * the process that was asked. No lease is held: chunks are decided in their order and the first in the log stands, so two processes on one job
 * do no harm; a process that finds its chunk decided steps back. What a crash interrupts is taken up at the next start, or by another process
 * after {@link BatchJobsOptions.silentForMs}.
 */
export class BatchJobs {
  readonly #options: BatchJobsOptions;
  /** Tells this process from all others and from itself before. */
  readonly #runner: string;
  /** Jobs that are running, here or elsewhere, in the order in which they were asked for. */
  readonly #open = new Set<string>();
  readonly #own = new Set<string>();
  /** Of which nobody has done anything yet. */
  readonly #fresh = new Set<string>();
  readonly #here = new Map<string, Promise<void>>();
  readonly #progress = new Map<string, BatchProgress>();
  readonly #waiters = new Map<string, Set<() => void>>();
  #cancelLook: (() => void) | undefined;
  #isStopped = false;
  #sweep: Promise<void> = Promise.resolve();

  constructor(options: BatchJobsOptions) {
    this.#options = options;
    this.#runner = options.ids.next();
    options.domain.onAccepted((record) => this.#accepted(record));
  }

  /** Takes up what earlier processes left, and clears away what they were killed before they could. */
  async start(): Promise<void> {
    const jobs = await this.list();
    for (const { id, job } of [...jobs].reverse()) if (job.status === 'running') this.#open.add(id);
    this.#look();
    this.#sweep = this.#clearAway(jobs.slice(0, MOST_SWEPT).map(({ id }) => id));
  }

  /** Throws a fault or a refusal that names the column, the field or the model which is amiss. */
  async request(input: BatchJobInput, metadata: CommandMetadata): Promise<RequestedBatchJob> {
    const request = await planJob(this.#options, input, metadata);
    const id = request.batchJobId;
    const { kind, position } = await this.#handle(id, { type: 'RequestBatchJob', request }, metadata);
    if (kind === 'accepted' && this.state(id).status === 'running') {
      this.#open.add(id);
      this.#own.add(id);
      this.#fresh.add(id);
      this.#takeUp(id);
    }
    return { id, position };
  }

  /** Stops a job; asked again, it begins from the start. */
  async cancel(id: string, metadata: CommandMetadata): Promise<Position> {
    return (await this.#handle(id, { type: 'CancelBatchJob' }, metadata)).position;
  }

  /**
   * Deletes a completed job's output: the file and the table. The job stays, and is computed anew when it is asked for again. What a crash keeps
   * from being removed is removed at the next start.
   */
  async deleteOutput(id: string, metadata: CommandMetadata): Promise<Position> {
    const { position } = await this.#handle(id, { type: 'DeleteBatchOutput' }, metadata);
    const job = this.state(id);
    if (job.status !== 'absent') await removeOutput(this.#options, job);
    return position;
  }

  state(id: string): BatchJobState {
    return this.#options.domain.replica.subject(batchJobSubject(id)).state as BatchJobState;
  }

  /** Where this process runs the job, or has it waiting. */
  progress(id: string): BatchProgress | undefined {
    return this.#progress.get(id) ?? (this.#own.has(id) && this.#open.has(id) ? { stage: 'waiting', rows: 0 } : undefined);
  }

  /** All there are, the newest first. */
  async list(): Promise<{ readonly id: string; readonly job: BatchJob }[]> {
    const { domain } = this.#options;
    await domain.barrier();
    const found: { id: string; job: BatchJob }[] = [];
    for await (const [subject, { state }] of domain.replica.subjects(`${BATCH_JOB}/`)) {
      const job = state as BatchJobState;
      if (job.status !== 'absent') found.push({ id: subject.slice(BATCH_JOB.length + 1), job });
    }
    return found.sort((a, b) => b.job.requestedAt - a.job.requestedAt || (a.id < b.id ? 1 : -1));
  }

  /** Jobs that are not over, of all processes, and how many of them this one runs. */
  open(): { readonly all: number; readonly here: number } {
    return { all: this.#open.size, here: this.#here.size };
  }

  /** Resolves when a job is over, or after so long. */
  async settled(id: string, waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(resolve));
    const cancel = this.#options.scheduler.after(waitMs, resolve);
    if (this.state(id).status === 'running') await promise;
    cancel();
    waiters.delete(resolve);
    if (waiters.size === 0) this.#waiters.delete(id);
  }

  /** Leaves what is under way; it goes on with the next process. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelLook?.();
    for (const waiters of this.#waiters.values()) for (const told of waiters) told();
    await Promise.all([...this.#here.values(), this.#sweep]);
  }

  async #clearAway(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const job = this.state(id);
      if (this.#isStopped || job.status === 'absent') return;
      await removeLeftovers(this.#options, id, job).catch((error: unknown) => this.#options.observer.troubled(id, error, false));
    }
  }

  #accepted({ subject, type }: LoggedDecision): void {
    if (!subject.startsWith(`${BATCH_JOB}/`)) return;
    const id = subject.slice(BATCH_JOB.length + 1);
    if (type === 'BatchJobRequested') this.#open.add(id);
    if (type !== 'BatchJobCompleted' && type !== 'BatchJobFailed' && type !== 'BatchJobCancelled') return;
    this.#open.delete(id);
    this.#own.delete(id);
    for (const told of this.#waiters.get(id) ?? []) told();
  }

  #look(): void {
    if (this.#isStopped) return;
    for (const id of this.#open) this.#takeUp(id);
    this.#cancelLook = this.#options.scheduler.after(LOOK_EVERY_MS, () => this.#look());
  }

  /** Runs what is this process's to run, or what nobody runs any more. */
  #takeUp(id: string): void {
    const { isAlone, silentForMs, now, mostAtOnce } = this.#options;
    const job = this.state(id);
    if (job.status !== 'running' || this.#isStopped || this.#here.has(id) || this.#here.size >= mostAtOnce) return;
    if (!isAlone && !this.#own.has(id) && now() - job.seenAt < silentForMs) return;
    this.#own.add(id);
    const work = this.#run(id, job).finally(() => {
      this.#here.delete(id);
      this.#progress.delete(id);
      for (const next of this.#open) this.#takeUp(next);
    });
    this.#here.set(id, work);
  }

  async #run(id: string, { attempt, request }: BatchJob): Promise<void> {
    const { observer, artifacts, scheduler } = this.#options;
    let pause = FIRST_PAUSE_MS;
    try {
      for (let tries = 1; ; tries++) {
        const before = this.#chunks(id);
        try {
          await this.#attempt(id, attempt, !this.#fresh.delete(id));
          break;
        } catch (error) {
          if (this.#isStopped) return;
          if (codeOf(error) === STEPPED_BACK) {
            this.#own.delete(id);
            return observer.ended(request.model, 'left');
          }
          if (codeOf(error) === OVER) break;
          if (this.#chunks(id) > before) [tries, pause] = [0, FIRST_PAUSE_MS];
          const isTriedAgain = passes(error) && tries < TRIES;
          observer.troubled(id, error, isTriedAgain);
          if (!isTriedAgain) {
            await this.#tell(id, { type: 'FailBatchJob', attempt, failure: failureOf(error) }, `${attempt}/failed`);
            break;
          }
        }
        await new Promise<void>((resolve) => void scheduler.after(pause, resolve));
        pause *= 2;
      }
      const { status } = this.state(id);
      if (status === 'completed' || status === 'failed' || status === 'cancelled') observer.ended(request.model, status);
      // The output has them all; of a job that failed or was cancelled nobody needs them.
      await artifacts.remove(chunkDirectory(id, attempt));
    } catch (error) {
      // The log or the store cannot be reached; the job is looked for again.
      if (codeOf(error) !== OVER) observer.troubled(id, error, true);
    }
  }

  #attempt(id: string, attempt: number, isResumed: boolean): Promise<void> {
    const { observer } = this.#options;
    const check = (): BatchJob => {
      if (this.#isStopped) throw new Error('the process stops');
      const job = this.state(id);
      if (job.status !== 'running' || job.attempt !== attempt) throw new Fault(OVER, `batch job ${id} is ${job.status}`, false);
      return job;
    };
    return runJob(this.#options, {
      ...{ check, isResumed },
      progress: (stage, rows) => this.#progress.set(id, { stage, rows }),
      scored: async (scored) => {
        const outcome = await this.#tell(id, { type: 'ScoreBatchChunk', attempt, scored }, `${attempt}/${scored.chunk}`);
        if (outcome === 'unchanged')
          throw new Fault(STEPPED_BACK, `chunk ${scored.chunk} of batch job ${id} was scored by another process`, false);
        observer.scored(check().request.model, scored.rows, scored.failed);
      },
      completed: async (result) => {
        await this.#tell(id, { type: 'CompleteBatchJob', attempt, result }, `${attempt}/completed`);
      },
    });
  }

  #chunks(id: string): number {
    const job = this.state(id);
    return job.status === 'absent' ? 0 : job.chunks.length;
  }

  /** A try again of this process's own has the same command id, and so the first one's answer. */
  async #tell(id: string, command: BatchJobCommand, what: string): Promise<string> {
    const { ids, now } = this.#options;
    const metadata = { commandId: ids.derived(this.#runner, `batch job ${id}: ${what}`), actor: 'inference', now: now() };
    const { domain } = this.#options;
    const outcome = await domain.handle<BatchJobEvent, BatchJobRejection>(batchJobSubject(id), command, metadata);
    if (outcome.kind === 'rejected') throw new Fault(outcome.rejection.code, outcome.rejection.message, false);
    return outcome.kind;
  }

  async #handle(
    id: string,
    command: BatchJobCommand,
    metadata: CommandMetadata,
  ): Promise<{ readonly kind: 'accepted' | 'unchanged'; readonly position: Position }> {
    const outcome = await this.#options.domain.handle<BatchJobEvent, BatchJobRejection>(batchJobSubject(id), command, metadata);
    if (outcome.kind !== 'rejected') return outcome;
    const { code, message, details } = outcome.rejection;
    throw new Fault(code, message, false, details ? { details } : {});
  }
}

function codeOf(error: unknown): string | undefined {
  return isFault(error) || isRefusal(error) ? error.code : undefined;
}

/** How a failed job is told: what the requester can mend, in full. */
function failureOf(error: unknown): { code: string; message: string; row: number | null } {
  const message = error instanceof Error ? error.message : String(error);
  if (isRowFailure(error)) return { code: 'MR_INFERENCE_BATCH_ROW', message, row: error.row };
  return { code: codeOf(error) ?? 'MR_INTERNAL', message, row: null };
}
