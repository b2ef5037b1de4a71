import type { Event } from '@millrace/kernel';

/** What is decided about one rollout: subject `rollout/<name>`. The data are described in `schemas/inference`. */
export type RolloutEvent =
  | Event<'RolloutStarted', RolloutStarted>
  | Event<'RolloutAdvanced', RolloutAdvanced>
  | Event<'RolloutHeld', RolloutHeld>
  | Event<'RolloutRolledBack', RolloutRolledBack>
  | Event<'RolloutReweighted', RolloutReweighted>
  | Event<'RolloutPaused', RolloutPaused>
  | Event<'RolloutResumed', RolloutResumed>
  | Event<'RolloutWithdrawn', RolloutWithdrawn>;

export type Strategy = 'blue-green' | 'canary' | 'shadow' | 'ab' | 'bandit';

/** The resource's spec with its defaults filled in: a log can be read without the resource. */
export interface RolloutPlan {
  readonly deployment: string;
  readonly candidate: string;
  readonly strategy: Strategy;
  readonly unit: string | null;
  readonly salt: string;
  readonly steps: readonly RolloutStep[];
  readonly mirror: number;
  readonly gates: readonly RolloutGate[];
  readonly reward: { readonly label: string; readonly every: number; readonly floor: number } | null;
  readonly alpha: number;
  readonly promotion: 'automatic' | 'manual';
  /** Who answers what the candidate fails; absent in plans from before there was a choice: nobody. */
  readonly fallback?: 'primary' | 'none';
}

export interface RolloutStep {
  /** Of the units, 0 to 1. */
  readonly share: number;
  readonly pauseMs: number;
  readonly samples: number;
}

export interface RolloutGate {
  readonly metric: string;
  readonly label: string | null;
  /** Margin or limit. */
  readonly bound: number;
  readonly tolerance: number;
  readonly guard: boolean;
  /** Absent where it is not about outcomes. */
  readonly outcome?: OutcomeGate;
}

/** Which outcomes a gate is about, and what is made of them. */
export interface OutcomeGate {
  /** Name of the Experiment or Rollout they are told for. */
  readonly experiment: string;
  /** The outcome's metric. */
  readonly name: string;
  readonly measure: 'proportion' | 'mean';
  /** A unit's sum counts between them; of a proportion 0 and 1. */
  readonly low: number;
  readonly high: number;
  readonly better: 'more' | 'less';
  /** What comes within it of the unit's first exposure counts. */
  readonly withinMs: number;
}

export interface GateJudgement {
  readonly metric: string;
  readonly label: string | null;
  readonly guard: boolean;
  readonly verdict: 'passed' | 'failed' | 'undecided';
  readonly estimate: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly bound: number;
  readonly samples: number;
  readonly more: number | null;
  readonly numbers: Readonly<Record<string, number>>;
}

/** What a decision rests on. Folding the facts again up to the positions gives the same numbers. */
export interface Evidence {
  readonly requests: { readonly primary: number; readonly candidate: number };
  readonly gates: readonly GateJudgement[];
  /** `topic/partition` -> next offset. */
  readonly positions: Readonly<Record<string, number>>;
}

export interface Rewards {
  readonly n: number;
  readonly sum: number;
}

/** A version of a registered model, as prediction facts name it. */
export interface Arm {
  readonly model: string;
  readonly version: number;
}

/** Which versions a run compares: what it shows is about them and no others. */
export interface Arms {
  readonly primary: Arm;
  readonly candidate: Arm;
}

export interface RolloutStarted {
  readonly run: number;
  readonly version: number;
  readonly plan: RolloutPlan;
  readonly positions: Readonly<Record<string, number>>;
  /** What the references meant when it began; absent in runs from before it was kept: whatever they mean. */
  readonly arms?: Arms;
  /** Why it begins anew; absent where the resource is new or changed. */
  readonly reason?: string;
}

export interface RolloutAdvanced {
  readonly run: number;
  readonly step: number;
  readonly share: number;
  readonly isPromoted: boolean;
  readonly by: 'gates' | 'person';
  readonly reason: string;
  readonly evidence: Evidence | null;
}

export interface RolloutHeld {
  readonly run: number;
  readonly isConcluded: boolean;
  readonly reason: string;
  readonly evidence: Evidence;
}

export interface RolloutRolledBack {
  readonly run: number;
  readonly by: 'gates' | 'person';
  readonly reason: string;
  readonly evidence: Evidence | null;
}

export interface RolloutReweighted {
  readonly run: number;
  readonly share: number;
  readonly seed: number;
  readonly rewards: { readonly primary: Rewards; readonly candidate: Rewards };
  readonly evidence: Evidence;
}

export interface RolloutPaused {
  readonly run: number;
  readonly reason: string;
}

export type RolloutResumed = RolloutPaused;

export interface RolloutWithdrawn {
  readonly run: number;
}
