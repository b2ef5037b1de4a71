import { accept, reject, unchanged, type Command, type Decider, type Rejection } from '@millrace/kernel';
import type { Arm, Arms, Evidence, GateJudgement, Rewards, RolloutEvent, RolloutPlan, RolloutStep } from './rollout.events.js';

export type RolloutCommand =
  | (Command<'StartRollout'> & {
      readonly version: number;
      readonly plan: RolloutPlan;
      readonly positions: Readonly<Record<string, number>>;
      readonly arms: Arms;
    })
  /** The references mean other versions than those the run compares. */
  | (Command<'RestartRollout'> & {
      readonly run: number;
      readonly positions: Readonly<Record<string, number>>;
      readonly arms: Arms;
    })
  | (Command<'JudgeRollout'> & {
      readonly run: number;
      readonly evidence: Evidence;
      /** What else keeps the candidate from more traffic, whatever its gates say: it waits for these. */
      readonly obstacles: readonly string[];
    })
  | (Command<'ReweighRollout'> & {
      readonly run: number;
      readonly share: number;
      readonly seed: number;
      readonly rewards: { readonly primary: Rewards; readonly candidate: Rewards };
      readonly evidence: Evidence;
    })
  | (Command<'PauseRollout' | 'ResumeRollout'> & ByPerson)
  /** What the gates said when it was decided is kept with it; null where nothing was under way. */
  | (Command<'AbortRollout'> & ByPerson & { readonly evidence: Evidence | null })
  | (Command<'PromoteRollout'> &
      ByPerson & {
        readonly evidence: Evidence | null;
        /** Why the candidate could not answer for all; null when it can. */
        readonly problem: string | null;
      })
  | (Command<'WithdrawRollout'> & { readonly run: number });

interface ByPerson {
  readonly reason: string;
  /** What keeps what was applied last from its run; null where it has begun, or nothing was applied. */
  readonly waitsFor: string | null;
}

export type RolloutRejection = Rejection<
  'MR_INFERENCE_ROLLOUT_NOT_FOUND' | 'MR_INFERENCE_ROLLOUT_NOT_BEGUN' | 'MR_INFERENCE_ROLLOUT_OVER' | 'MR_INFERENCE_ROLLOUT_UNSERVABLE'
>;

export type RolloutStatus = 'absent' | 'running' | 'paused' | 'promoted' | 'rolledBack' | 'withdrawn';

export interface RolloutState {
  status: RolloutStatus;
  /** 0: never started. */
  run: number;
  version: number;
  plan: RolloutPlan | null;
  /** Absent in runs from before it was kept. */
  arms?: Arms;
  step: number;
  /** The candidate's share of the units now. */
  share: number;
  isConcluded: boolean;
  startedAt: number;
  /** When the step began. */
  stepSince: number;
  /** Facts from there on count in the run, and in the step. */
  positions: Readonly<Record<string, number>>;
  stepPositions: Readonly<Record<string, number>>;
  /** The last evidence a decision of this run rested on. */
  evidence: Evidence | null;
  /** Samples when it was last told that it holds; 0: not since the step began. */
  toldAt: number;
  /** Rewards that the last split of a bandit rested on. */
  rewarded: number;
  reason: string;
}

export const ROLLOUT = 'rollout';

export function rolloutSubject(name: string): string {
  return `${ROLLOUT}/${name}`;
}

/** Traffic or mirrored requests reach the candidate and are judged. */
export function isActive({ status }: Pick<RolloutState, 'status'>): boolean {
  return status === 'running' || status === 'paused';
}

export const rollout: Decider<RolloutState, RolloutCommand, RolloutEvent, RolloutRejection> = {
  initial: () => ({
    ...{ status: 'absent', run: 0, version: 0, plan: null, step: 0, share: 0, isConcluded: false, startedAt: 0, stepSince: 0 },
    ...{ positions: {}, stepPositions: {}, evidence: null, toldAt: 0, rewarded: 0, reason: '' },
  }),

  evolve(state, event, { time }) {
    switch (event.type) {
      case 'RolloutStarted': {
        const { run, version, plan, positions, arms, reason = '' } = event.data;
        return {
          ...(arms ? { arms } : {}),
          ...{ status: 'running', run, version, plan, step: 0, share: plan.steps[0]?.share ?? 0, isConcluded: false },
          ...{ startedAt: time, stepSince: time, positions, stepPositions: positions, evidence: null, toldAt: 0, rewarded: 0, reason },
        };
      }
      case 'RolloutAdvanced': {
        const { step, share, isPromoted, reason, evidence } = event.data;
        const status = isPromoted ? 'promoted' : state.status;
        const stepPositions = evidence?.positions ?? state.stepPositions;
        return { ...state, status, step, share, reason, stepSince: time, stepPositions, toldAt: 0, evidence: evidence ?? state.evidence };
      }
      case 'RolloutHeld': {
        const { isConcluded, reason, evidence } = event.data;
        return { ...state, isConcluded, reason, evidence, toldAt: samplesOf(evidence) };
      }
      case 'RolloutRolledBack':
        return { ...state, status: 'rolledBack', share: 0, reason: event.data.reason, evidence: event.data.evidence ?? state.evidence };
      case 'RolloutReweighted': {
        const { share, rewards, evidence } = event.data;
        return { ...state, share, rewarded: rewards.primary.n + rewards.candidate.n, evidence };
      }
      case 'RolloutPaused':
        return { ...state, status: 'paused', reason: event.data.reason };
      case 'RolloutResumed':
        return { ...state, status: 'running', reason: event.data.reason };
      case 'RolloutWithdrawn':
        return { ...state, status: 'withdrawn', share: 0, reason: 'the resource was deleted' };
      default:
        return state;
    }
  },

  decide(command, state, { subject, time }) {
    switch (command.type) {
      case 'StartRollout': {
        const { version, plan, positions, arms } = command;
        // One replica may know an older version of the resource than another.
        if (version < state.version || (version === state.version && state.status !== 'withdrawn')) return unchanged;
        return accept('RolloutStarted', { run: state.run + 1, version, plan, positions, arms });
      }
      case 'RestartRollout':
        return command.run === state.run ? restart(state, command) : unchanged;
      case 'JudgeRollout':
        return command.run === state.run && isActive(state) ? judge(state, command, time) : unchanged;
      case 'ReweighRollout': {
        const { run, share, seed, rewards, evidence } = command;
        const count = rewards.primary.n + rewards.candidate.n;
        const isDue = state.plan?.reward != null && count >= state.rewarded + state.plan.reward.every;
        if (run !== state.run || state.status !== 'running' || !isDue) return unchanged;
        return accept('RolloutReweighted', { run, share, seed, rewards, evidence });
      }
      case 'WithdrawRollout':
        if (command.run !== state.run || state.status === 'withdrawn' || state.status === 'absent') return unchanged;
        return accept('RolloutWithdrawn', { run: state.run });
      default:
        return byPerson(command, state, subject);
    }
  },
};

function byPerson(command: Extract<RolloutCommand, { readonly reason: string }>, state: RolloutState, subject: string) {
  const name = subject.slice(ROLLOUT.length + 1);
  const { reason, waitsFor } = command;
  if (state.run === 0 && waitsFor === null)
    return reject('MR_INFERENCE_ROLLOUT_NOT_FOUND', `there is no rollout ${JSON.stringify(name)}; apply it first`);
  if (state.run === 0)
    return reject(
      'MR_INFERENCE_ROLLOUT_NOT_BEGUN',
      `rollout ${name} has not begun; it waits for ${waitsFor}. If it shall not begin, delete its resource`,
    );
  const { run } = state;
  // A promoted candidate can still be taken back.
  const isOver = !isActive(state) && !(command.type === 'AbortRollout' && state.status === 'promoted');
  if (isOver && command.type === 'PromoteRollout' && state.status === 'promoted') return unchanged;
  if (isOver && command.type === 'AbortRollout' && state.status === 'rolledBack') return unchanged;
  if (isOver)
    return reject(
      'MR_INFERENCE_ROLLOUT_OVER',
      `rollout ${name} is ${state.status === 'rolledBack' ? 'rolled back' : state.status}${state.reason === '' ? '' : ` (${state.reason})`}; ${insteadOf(state, waitsFor)}`,
    );
  switch (command.type) {
    case 'PromoteRollout':
      if (command.problem !== null)
        return reject(
          'MR_INFERENCE_ROLLOUT_UNSERVABLE',
          `rollout ${name} cannot be promoted, its candidate could not answer: ${command.problem}`,
        );
      return accept('RolloutAdvanced', { ...promoted(state), by: 'person' as const, reason, evidence: command.evidence });
    case 'AbortRollout':
      return accept('RolloutRolledBack', { run, by: 'person' as const, reason, evidence: command.evidence });
    case 'PauseRollout':
      return state.status === 'paused' ? unchanged : accept('RolloutPaused', { run, reason });
    case 'ResumeRollout':
      return state.status === 'running' ? unchanged : accept('RolloutResumed', { run, reason });
  }
}

/** What can be done with one that is over. */
function insteadOf({ status }: RolloutState, waitsFor: string | null): string {
  if (waitsFor !== null) return `what was applied since has not begun; it waits for ${waitsFor}`;
  if (status === 'withdrawn') return 'apply its resource to run it again';
  return `${status === 'promoted' ? 'abort it to take its traffic back, or ' : ''}change its resource to run it again`;
}

function promoted({ run, plan }: RolloutState): { run: number; step: number; share: number; isPromoted: boolean } {
  return { run, step: plan?.steps.length ?? 0, share: 1, isPromoted: true };
}

/** Whether two runs would compare the same. */
export function areSameArms(a: Arms, b: Arms): boolean {
  return isSameArm(a.primary, b.primary) && isSameArm(a.candidate, b.candidate);
}

function isSameArm(a: Arm, b: Arm): boolean {
  return a.model === b.model && a.version === b.version;
}

/** `models:/delay/2`. */
export function referenceOfArm({ model, version }: Arm): string {
  return `models:/${model}/${version}`;
}

/**
 * What a run has shown says nothing of other versions: a new one begins, at its first step. One that is paused stays so until it is resumed; one
 * that does not know what it compared goes on.
 */
function restart(
  { run, version, plan, arms: before, status }: RolloutState,
  { arms, positions }: Extract<RolloutCommand, { readonly type: 'RestartRollout' }>,
) {
  if (status !== 'running' || !plan || !before || areSameArms(before, arms)) return unchanged;
  const changes = (['primary', 'candidate'] as const)
    .filter((arm) => !isSameArm(before[arm], arms[arm]))
    .map((arm) => `the ${arm} is ${referenceOfArm(arms[arm])} now and was ${referenceOfArm(before[arm])}`);
  return accept('RolloutStarted', { run: run + 1, version, plan, positions, arms, reason: `begun anew: ${changes.join(', ')}` });
}

/** The one rule: a gate that fails rolls back; all that pass, and the step's own conditions, advance; anything else holds. */
function judge(state: RolloutState, { evidence, obstacles }: Extract<RolloutCommand, { readonly type: 'JudgeRollout' }>, time: number) {
  const plan = state.plan as RolloutPlan;
  const { run } = state;
  const failed = evidence.gates.filter(({ verdict }) => verdict === 'failed');
  if (failed.length > 0)
    return accept('RolloutRolledBack', {
      run,
      by: 'gates' as const,
      reason: `worse beyond doubt: ${failed.map(told).join(', ')}`,
      evidence,
    });
  const passed = evidence.gates.filter(({ verdict }) => verdict === 'passed');
  const open = [...openGates(evidence), ...obstacles, ...openConditions(state, evidence, time)];
  if (open.length === 0 && plan.strategy !== 'bandit') {
    const reason = passed.length === 0 ? 'the step is over' : `passed: ${passed.map(told).join(', ')}`;
    const next = plan.steps[state.step + 1];
    if (next)
      return accept('RolloutAdvanced', {
        run,
        step: state.step + 1,
        share: next.share,
        isPromoted: false,
        by: 'gates' as const,
        reason,
        evidence,
      });
    if (plan.promotion === 'automatic') return accept('RolloutAdvanced', { ...promoted(state), by: 'gates' as const, reason, evidence });
    return state.isConcluded
      ? unchanged
      : accept('RolloutHeld', { run, isConcluded: true, reason: `${reason}; what is left is to promote it`, evidence });
  }
  // A log of every look would say nothing: told when there is twice as much to rest on.
  const samples = samplesOf(evidence);
  if (samples === 0 || samples < 2 * state.toldAt || state.isConcluded) return unchanged;
  return accept('RolloutHeld', {
    run,
    isConcluded: false,
    reason: `waits for ${open.length === 0 ? 'rewards' : open.join(', ')}`,
    evidence,
  });
}

function openGates({ gates }: Evidence): string[] {
  return gates.filter(({ verdict, guard }) => verdict === 'undecided' && !guard).map(toldOpen);
}

/** What the step itself asks for beside its gates. */
function openConditions({ plan, step: index, stepSince, status }: RolloutState, { gates, requests }: Evidence, time: number): string[] {
  const { strategy, steps } = plan as RolloutPlan;
  const step = steps[index] as RolloutStep;
  const open: string[] = [];
  const missing = step.samples - requests.candidate;
  if (missing > 0) open.push(`${missing} more ${missing === 1 ? 'request' : 'requests'} of the candidate`);
  if (time - stepSince < step.pauseMs) open.push('the pause of the step');
  if (status === 'paused') open.push('a person, who paused it');
  if (strategy !== 'bandit' && gates.every(({ guard }) => guard) && step.pauseMs === 0 && step.samples === 0)
    open.push('a person: the step has no gate, pause nor samples of its own');
  return open;
}

/**
 * All that a run under way waits for as things stand, what only a person or another thing can mend first: a judgement of now would hold it for
 * these. Empty where it is about to go on.
 */
export function awaited(state: RolloutState, evidence: Evidence, obstacles: readonly string[], time: number): string[] {
  if (state.isConcluded && obstacles.length === 0 && state.status === 'running') return ['a person, to promote it'];
  return [...obstacles, ...openConditions(state, evidence, time), ...openGates(evidence)];
}

function samplesOf({ requests }: Evidence): number {
  return requests.primary + requests.candidate;
}

function nameOf({ metric, label }: GateJudgement): string {
  return label === null ? metric : `${metric} of ${label}`;
}

function told(gate: GateJudgement): string {
  const short = (value: number | null): string => (value === null ? '?' : String(Number(value.toPrecision(3))));
  return `${nameOf(gate)} ${short(gate.estimate)} (${short(gate.lower)} to ${short(gate.upper)}) from ${gate.samples} samples`;
}

function toldOpen(gate: GateJudgement): string {
  return gate.more === null ? nameOf(gate) : `${nameOf(gate)} (about ${gate.more} more samples)`;
}
