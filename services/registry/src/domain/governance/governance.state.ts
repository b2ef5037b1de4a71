import type { EventContext } from '@millrace/kernel';
import type { Model } from '../model/model.decider.js';
import type { ModelEvent } from '../model/model.events.js';
import type { GovernanceEvent, PromotionRequested, Target, VersionChecked } from './governance.events.js';
import { targetKey } from './rules.js';

export type PromotionStatus = 'open' | 'promoted' | 'rejected' | 'withdrawn' | 'expired';

export interface Promotion extends PromotionRequested {
  status: PromotionStatus;
  readonly requestedBy: string;
  readonly requestedAt: number;
  /** By actor: one counts once. */
  readonly approvals: Map<string, { readonly at: number; readonly comment: string }>;
  closedBy: string | null;
  closedAt: number | null;
  /** Why it was closed. */
  closingReason: string | null;
}

export interface CheckResult extends VersionChecked {
  readonly actor: string;
  readonly at: number;
}

/** What a model's state has beside its versions. */
export interface Governance {
  /** The last number given. */
  lastRequest: number;
  readonly promotions: Map<number, Promotion>;
  /** By version, then by {@link checkKey}: the last result of each, the newest at the end. */
  readonly checks: Map<number, Map<string, CheckResult>>;
  /** By target: the versions that have held it and were not rolled back, the present one last. */
  readonly holders: Map<string, number[]>;
  /** The target of the last move that can be rolled back. */
  lastMoved: string | null;
}

export type GovernedModel = Model & { readonly governance: Governance };

/**
 * Two policies may have checks of one name that ask for different things, so what the registry found is kept for each of them. What was
 * reported is kept for each who did: the word of somebody whose results do not count must not take the place of one whose do.
 */
export function checkKey({ check, policy, source, actor }: Pick<CheckResult, 'check' | 'policy' | 'source' | 'actor'>): string {
  if (source === 'reported') return JSON.stringify([check, actor]);
  return policy === undefined ? check : `${policy}:${check}`;
}

/** The newest that was reported under a name, of those whose results count. */
export function reportedCheck(
  results: ReadonlyMap<string, CheckResult> | undefined,
  check: string,
  counts: (actor: string) => boolean,
): CheckResult | undefined {
  return [...(results?.values() ?? [])].filter((one) => one.source === 'reported' && one.check === check && counts(one.actor)).at(-1);
}

/** Closed requests kept in the state; older ones are in the audit trail. */
const MOST_CLOSED = 200;
const MOST_HOLDERS = 100;

export function noGovernance(): Governance {
  return { lastRequest: 0, promotions: new Map(), checks: new Map(), holders: new Map(), lastMoved: null };
}

export function evolveGovernance(state: Governance, event: GovernanceEvent, { time, actor }: EventContext): void {
  switch (event.type) {
    case 'VersionChecked': {
      const results = state.checks.get(event.data.version) ?? new Map<string, CheckResult>();
      const result = { ...event.data, actor, at: time };
      const key = checkKey(result);
      // What is set anew in a map stays where it was.
      results.delete(key);
      results.set(key, result);
      state.checks.set(event.data.version, results);
      return;
    }
    case 'PromotionRequested': {
      const opened = {
        status: 'open',
        requestedBy: actor,
        requestedAt: time,
        closedBy: null,
        closedAt: null,
        closingReason: null,
      } as const;
      state.promotions.set(event.data.request, { ...event.data, ...opened, approvals: new Map() });
      state.lastRequest = event.data.request;
      return;
    }
    case 'PromotionApproved':
      state.promotions.get(event.data.request)?.approvals.set(actor, { at: time, comment: event.data.comment });
      return;
    case 'PromotionRejected':
      close(state, event.data.request, 'rejected', event.data.reason, actor, time);
      return;
    case 'PromotionWithdrawn':
      close(state, event.data.request, 'withdrawn', event.data.reason, actor, time);
      return;
    case 'PromotionExpired':
      close(state, event.data.request, 'expired', 'not satisfied in its time', actor, time);
      return;
  }
}

/** Follows who holds what, and closes the request that a move fulfils. Called after the move itself was folded. */
export function followMove(state: GovernedModel, event: ModelEvent, { time, actor }: EventContext): void {
  const { governance } = state;
  switch (event.type) {
    case 'VersionMoved':
    case 'AliasAssigned': {
      const target: Target =
        event.type === 'VersionMoved' ? { kind: 'stage', name: event.data.to } : { kind: 'alias', name: event.data.alias };
      const { version, request, reason, rollsBack } = event.data;
      if (target.kind === 'alias' || target.name === 'Staging' || target.name === 'Production') {
        hold(governance, targetKey(target), version, rollsBack !== undefined);
      }
      if (request !== undefined) close(governance, request, 'promoted', reason ?? '', actor, time);
      return;
    }
    case 'VersionDeleted':
      governance.checks.delete(event.data.version);
      for (const [key, versions] of governance.holders) {
        const left = versions.filter((version) => version !== event.data.version);
        if (left.length < versions.length) governance.holders.set(key, left);
      }
      for (const promotion of governance.promotions.values()) {
        if (promotion.version === event.data.version && promotion.status === 'open') {
          close(governance, promotion.request, 'withdrawn', 'the version was deleted', actor, time);
        }
      }
      return;
    default:
  }
}

function hold(governance: Governance, key: string, version: number, isRollback: boolean): void {
  const before = governance.holders.get(key) ?? [];
  const at = before.indexOf(version);
  const kept = isRollback && at >= 0 ? before.slice(0, at) : before.filter((one) => one !== version);
  governance.holders.set(key, [...kept, version].slice(-MOST_HOLDERS));
  governance.lastMoved = key;
}

function close(state: Governance, request: number, status: PromotionStatus, reason: string, actor: string, time: number): void {
  const promotion = state.promotions.get(request);
  if (!promotion) return;
  Object.assign(promotion, { status, closedBy: actor, closedAt: time, closingReason: reason });
  let surplus = -MOST_CLOSED;
  for (const one of state.promotions.values()) if (one.status !== 'open') surplus++;
  for (const [number, one] of state.promotions) {
    if (surplus <= 0) return;
    if (one.status === 'open') continue;
    state.promotions.delete(number);
    surplus--;
  }
}

/** The version that holds a target now: of a stage that several are in, the one that came last. */
export function holderOf(state: GovernedModel, target: Target): number | undefined {
  if (target.kind === 'alias') return state.aliases.get(target.name);
  const isThere = (version: number): boolean => state.versions.get(version)?.stage === target.name;
  const last = state.governance.holders.get(targetKey(target))?.filter(isThere).at(-1);
  if (last !== undefined) return last;
  const numbers = [...state.versions.keys()].filter(isThere);
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}
