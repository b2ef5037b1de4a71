import type { Event } from '@millrace/kernel';

/**
 * What is decided about who may move a model's versions: of the same subject `model/<modelId>` as the moves, so that a race between two
 * promotions is settled by the order of the log. A promotion itself is a `VersionMoved` or `AliasAssigned` that names its request.
 */
export type GovernanceEvent =
  | Event<'VersionChecked', VersionChecked>
  | Event<'PromotionRequested', PromotionRequested>
  | Event<'PromotionApproved', PromotionApproved>
  | Event<'PromotionRejected', PromotionRejected>
  | Event<'PromotionWithdrawn', PromotionWithdrawn>
  | Event<'PromotionExpired', PromotionExpired>;

export type EvidenceValue = string | number | boolean | null;

export interface VersionChecked {
  readonly version: number;
  /** Name of the check, as policies name it. */
  readonly check: string;
  readonly passed: boolean;
  readonly detail: string;
  readonly evidence: Readonly<Record<string, EvidenceValue>>;
  /** The version it was compared with. */
  readonly against: number | null;
  /** `evaluated`: the registry looked itself. `reported`: the actor says so. */
  readonly source: 'evaluated' | 'reported';
  /** Of an evaluated one: the policy whose check it is. Older records do not say it. */
  readonly policy?: string;
}

/** Where a version may go. */
export interface Target {
  readonly kind: 'stage' | 'alias';
  readonly name: string;
}

export interface PromotionRequested {
  /** 1, 2, 3 … per model. */
  readonly request: number;
  readonly version: number;
  readonly target: Target;
  readonly archiveOthers: boolean;
  readonly reason: string;
  readonly policies: readonly { readonly name: string; readonly version: number }[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface PromotionApproved {
  readonly request: number;
  readonly comment: string;
}

export interface PromotionRejected {
  readonly request: number;
  readonly reason: string;
}

export interface PromotionWithdrawn {
  readonly request: number;
  readonly reason: string;
}

export interface PromotionExpired {
  readonly request: number;
}
