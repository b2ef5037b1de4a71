import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { MaterializationEvent, RejectedRow, RowCounts } from './materialization.events.js';

export const MATERIALIZATION = 'materialization';

/** All runs of a source are one subject: so there is at most one at a time, and one watermark, whoever asks. */
export function materializationSubject(source: string): string {
  return `${MATERIALIZATION}/${source}`;
}

/** One run: the rows of an interval of event time, brought to the source's topic. Times are milliseconds since the epoch. */
export interface MaterializationRun {
  readonly id: string;
  readonly version: number;
  readonly from: number | null;
  readonly to: number;
  readonly trigger: 'request' | 'schedule';
  readonly actor: string;
  readonly startedAt: number;
  status: 'running' | 'finished' | 'failed' | 'cancelled';
  runner: string;
  /** Rows before it are in the source's table; null: none yet. */
  reached: number | null;
  rows: RowCounts;
  rejected: readonly RejectedRow[];
  /** When it last showed a sign of life. */
  seenAt: number;
  endedAt: number | null;
  failure: { readonly code: string; readonly message: string } | null;
}

export interface MaterializationState {
  /** Rows of a version of the source with event times before it have been materialized. */
  watermark: { readonly version: number; readonly at: number } | null;
  /** How many there have been. */
  count: number;
  /** The last of them, the newest last. Older ones are on the log. */
  runs: MaterializationRun[];
}

export const MOST_RUNS_KEPT = 200;
export const MOST_REJECTED_SHOWN = 20;

/** An interval as it is asked for: what is left out follows from the watermark. */
export interface AskedInterval {
  /** null: from the first row there is; undefined: from the watermark on, less the lookback. */
  readonly from: number | null | undefined;
  readonly to: number;
  readonly lookback: number;
}

export type MaterializationCommand =
  | (Command<'StartMaterialization'> & {
      readonly materializationId: string;
      readonly source: string;
      readonly version: number;
      readonly interval: AskedInterval;
      readonly trigger: 'request' | 'schedule';
      readonly runner: string;
    })
  | (Command<'TakeOverMaterialization'> & { readonly materializationId: string; readonly runner: string; readonly silentForMs: number })
  | (Command<'ProgressMaterialization'> & {
      readonly materializationId: string;
      readonly runner: string;
      readonly to: number | null;
      readonly rows: RowCounts;
      readonly rejected: readonly RejectedRow[];
    })
  | (Command<'FinishMaterialization'> & { readonly materializationId: string; readonly runner: string })
  | (Command<'FailMaterialization'> & {
      readonly materializationId: string;
      readonly runner: string;
      readonly failure: { readonly code: string; readonly message: string };
    })
  | (Command<'CancelMaterialization'> & { readonly materializationId: string });

export type MaterializationRejection = Rejection<
  | 'MR_FEATURES_MATERIALIZATION_RUNNING'
  | 'MR_FEATURES_MATERIALIZATION_INVALID'
  | 'MR_FEATURES_MATERIALIZATION_NOT_FOUND'
  | 'MR_FEATURES_MATERIALIZATION_OVER'
  | 'MR_FEATURES_MATERIALIZATION_TAKEN'
>;

type MaterializationDecision = Decision<MaterializationEvent, MaterializationRejection>;

export const NO_ROWS: RowCounts = { read: 0, appended: 0, unchanged: 0, rejected: 0 };

/** The materializations of one source: one at a time, read by one process at a time, and how far they have come. */
export const materialization: Decider<MaterializationState, MaterializationCommand, MaterializationEvent, MaterializationRejection> = {
  initial: () => ({ watermark: null, count: 0, runs: [] }),

  evolve: (state, event, { time, actor }) => {
    if (event.type === 'MaterializationStarted') {
      const { materializationId: id, version, from, to, trigger, runner } = event.data;
      const begun = { status: 'running' as const, reached: null, rows: NO_ROWS, rejected: [], seenAt: time, endedAt: null, failure: null };
      state.runs.push({ id, version, from, to, trigger, actor, startedAt: time, runner, ...begun });
      if (state.runs.length > MOST_RUNS_KEPT) state.runs.shift();
      state.count++;
      return state;
    }
    const run = runOf(state, event.data.materializationId);
    if (!run) return state;
    run.seenAt = time;
    switch (event.type) {
      case 'MaterializationTakenOver':
        run.runner = event.data.runner;
        return state;
      case 'MaterializationProgressed':
        run.reached = event.data.to;
        run.rows = sum(run.rows, event.data.rows);
        run.rejected = [...run.rejected, ...event.data.rejected].slice(0, MOST_REJECTED_SHOWN);
        return state;
      case 'MaterializationFinished':
        end(run, 'finished', time);
        state.watermark = watermarkAfter(state, run);
        return state;
      case 'MaterializationFailed':
        end(run, 'failed', time);
        run.failure = { code: event.data.code, message: event.data.message };
        return state;
      case 'MaterializationCancelled':
        end(run, 'cancelled', time);
        return state;
    }
  },

  decide: (command, state, { time }): MaterializationDecision => {
    if (command.type === 'StartMaterialization') return start(command, state);
    const run = runOf(state, command.materializationId);
    if (!run) {
      const message = `there is no materialization ${command.materializationId} of this source, or it is older than the last ${MOST_RUNS_KEPT}`;
      return reject('MR_FEATURES_MATERIALIZATION_NOT_FOUND', message);
    }
    const { materializationId } = command;
    if (command.type === 'CancelMaterialization') {
      if (run.status === 'cancelled') return unchanged;
      return run.status === 'running' ? accept('MaterializationCancelled', { materializationId }) : over(run);
    }
    const { runner } = command;
    if (run.status === 'cancelled' && command.type === 'ProgressMaterialization' && run.runner === runner && command.rows.read > 0) {
      // The page that was in flight when it was cancelled: its rows are written, so they count.
      return progressed(run, command);
    }
    if (run.status !== 'running') return over(run);
    if (command.type === 'TakeOverMaterialization') {
      if (run.runner === runner) return unchanged;
      return time - run.seenAt >= command.silentForMs ? accept('MaterializationTakenOver', { materializationId, runner }) : taken(run);
    }
    // A process that was thought dead may come back; what it still says does not count.
    if (run.runner !== runner) return taken(run);
    switch (command.type) {
      case 'ProgressMaterialization':
        return progressed(run, command);
      case 'FinishMaterialization':
        return accept('MaterializationFinished', { materializationId, runner });
      case 'FailMaterialization':
        return accept('MaterializationFailed', { materializationId, ...command.failure });
    }
  },
};

/** The run that is under way. */
export function runningOf(state: MaterializationState): MaterializationRun | undefined {
  const last = state.runs.at(-1);
  return last?.status === 'running' ? last : undefined;
}

export function runOf(state: MaterializationState, id: string): MaterializationRun | undefined {
  return state.runs.findLast((run) => run.id === id);
}

/** How far a version of the source has been materialized. */
export function watermarkOf({ watermark }: MaterializationState, version: number): number | undefined {
  return watermark?.version === version ? watermark.at : undefined;
}

function start(
  command: Extract<MaterializationCommand, { type: 'StartMaterialization' }>,
  state: MaterializationState,
): MaterializationDecision {
  const { materializationId, source, version, interval, trigger, runner } = command;
  const running = runningOf(state);
  if (running) {
    const message = `materialization ${running.id} of ${source} is running; wait for it, or cancel it`;
    return reject('MR_FEATURES_MATERIALIZATION_RUNNING', message, { materializationId: running.id });
  }
  const { to } = interval;
  const watermark = watermarkOf(state, version);
  // Where the last one ended; at the first row there is when none has.
  const next = watermark === undefined ? null : watermark - interval.lookback;
  const from = interval.from === undefined ? next : interval.from;
  if (from !== null && from >= to) {
    const what = interval.from === undefined ? 'from, where the last materialization ended less the lookback,' : 'from';
    return reject('MR_FEATURES_MATERIALIZATION_INVALID', `${what} has to be before to`, { from, to });
  }
  return accept('MaterializationStarted', { materializationId, source, version, from, to, trigger, runner });
}

function progressed(
  run: MaterializationRun,
  { materializationId, runner, to: told, rows, rejected }: Extract<MaterializationCommand, { type: 'ProgressMaterialization' }>,
): MaterializationDecision {
  // A sign of life may come after the progress it was overtaken by.
  const to = run.reached !== null && (told === null || told < run.reached) ? run.reached : told;
  return accept('MaterializationProgressed', { materializationId, runner, to, rows, rejected });
}

/**
 * A run that leaves a gap behind the watermark does not move it, so that the next one fills the gap. Rows of a time after the run was asked
 * for cannot all have been there.
 */
function watermarkAfter(state: MaterializationState, run: MaterializationRun): MaterializationState['watermark'] {
  const at = Math.min(run.to, run.startedAt);
  const before = watermarkOf(state, run.version);
  if (before === undefined) return { version: run.version, at };
  if (run.from !== null && run.from > before) return state.watermark;
  return { version: run.version, at: Math.max(before, at) };
}

function end(run: MaterializationRun, status: 'finished' | 'failed' | 'cancelled', time: number): void {
  run.status = status;
  run.endedAt = time;
}

function sum(a: RowCounts, b: RowCounts): RowCounts {
  return {
    read: a.read + b.read,
    appended: a.appended + b.appended,
    unchanged: a.unchanged + b.unchanged,
    rejected: a.rejected + b.rejected,
  };
}

function over(run: MaterializationRun): MaterializationDecision {
  return reject('MR_FEATURES_MATERIALIZATION_OVER', `materialization ${run.id} is ${run.status}`);
}

function taken(run: MaterializationRun): MaterializationDecision {
  return reject('MR_FEATURES_MATERIALIZATION_TAKEN', `materialization ${run.id} is run by process ${run.runner}`);
}
