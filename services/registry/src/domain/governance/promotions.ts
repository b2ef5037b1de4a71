import { accept, isSameActor, matchesAny, reject, unchanged, type Command, type CommandContext, type Rejection } from '@millrace/kernel';
import type { ModelRejection } from '../model/model.decider.js';
import type { Stage } from '../model/model.events.js';
import type { GovernanceEvent, Target } from './governance.events.js';
import { holderOf, type GovernedModel, type Promotion } from './governance.state.js';
import { isNamed, rulesOf, targetText, type Rule } from './rules.js';

/** `rules`: the policies of the model. */
export type PromotionCommand =
  | (Command<'RequestPromotion'> & {
      readonly version: number;
      readonly target: Target;
      /** `null`: as the policies say. */
      readonly archiveOthers: boolean | null;
      readonly reason: string;
      readonly rules: readonly Rule[];
    })
  | (Command<'ApprovePromotion'> & { readonly request: number; readonly comment: string; readonly rules: readonly Rule[] })
  | (Command<'RejectPromotion'> & { readonly request: number; readonly reason: string; readonly rules: readonly Rule[] })
  | (Command<'WithdrawPromotion'> & { readonly request: number; readonly reason: string })
  | (Command<'ExpirePromotion'> & { readonly request: number })
  /** `isByPolicy`: the registry does it because everything is so. */
  | (Command<'PromoteVersion'> & { readonly request: number; readonly rules: readonly Rule[]; readonly isByPolicy: boolean });

export type PromotionRejection = Rejection<
  | 'MR_REGISTRY_PROMOTION_NOT_FOUND'
  | 'MR_REGISTRY_PROMOTION_CLOSED'
  | 'MR_REGISTRY_PROMOTION_EXPIRED'
  | 'MR_REGISTRY_PROMOTION_UNGOVERNED'
  | 'MR_REGISTRY_PROMOTION_REPEATED'
  | 'MR_REGISTRY_PROMOTION_HOLDS'
  | 'MR_REGISTRY_PROMOTION_UNMET'
  | 'MR_REGISTRY_PROMOTION_FROM'
  | 'MR_REGISTRY_REQUESTER_FORBIDDEN'
  | 'MR_REGISTRY_APPROVER_FORBIDDEN'
  | 'MR_REGISTRY_SELF_APPROVAL_FORBIDDEN'
  | 'MR_REGISTRY_ACTOR_REQUIRED'
>;

type PromotionDecision =
  | { readonly kind: 'accept'; readonly event: GovernanceEvent }
  | { readonly kind: 'reject'; readonly rejection: PromotionRejection | ModelRejection }
  | typeof unchanged;

type Refused = Extract<PromotionDecision, { kind: 'reject' }>;

/** Everything about a request but its fulfilment. */
export function decidePromotion(
  command: Exclude<PromotionCommand, { type: 'PromoteVersion' }>,
  state: GovernedModel,
  context: CommandContext,
): PromotionDecision {
  if (command.type === 'RequestPromotion') return request(command, state, context);
  const found = openPromotion(state, command.request, context.time, command.type === 'ExpirePromotion');
  if (!('promotion' in found)) return found;
  const { promotion } = found;
  switch (command.type) {
    case 'ApprovePromotion': {
      const refused = mayApprove(promotion, rulesOf(command.rules, promotion.target), context.actor);
      if (refused) return refused;
      if (promotion.approvals.has(context.actor)) return unchanged;
      return accept('PromotionApproved', { request: promotion.request, comment: command.comment });
    }
    case 'RejectPromotion': {
      const refused = mayApprove(promotion, rulesOf(command.rules, promotion.target), context.actor);
      return refused ?? accept('PromotionRejected', { request: promotion.request, reason: command.reason });
    }
    case 'WithdrawPromotion':
      if (!isSameActor(context.actor, promotion.requestedBy)) {
        const message = `request ${promotion.request} was made by ${promotion.requestedBy}, who alone can withdraw it; an approver can reject it`;
        return reject('MR_REGISTRY_REQUESTER_FORBIDDEN', message, { request: promotion.request });
      }
      return accept('PromotionWithdrawn', { request: promotion.request, reason: command.reason });
    case 'ExpirePromotion':
      return context.time < promotion.expiresAt ? unchanged : accept('PromotionExpired', { request: promotion.request });
  }
}

function request(
  command: Extract<PromotionCommand, { type: 'RequestPromotion' }>,
  state: GovernedModel,
  { actor, time }: CommandContext,
): PromotionDecision {
  const { version, target, reason } = command;
  const found = state.versions.get(version);
  if (!found) return reject('MR_REGISTRY_VERSION_NOT_FOUND', `Model Version (version=${version}) not found`, { version });
  const rules = rulesOf(command.rules, target);
  if (rules.length === 0) {
    const message = `no policy governs ${targetText(target)} of this model: move the version directly, or apply a Policy that names it`;
    return reject('MR_REGISTRY_PROMOTION_UNGOVERNED', message, { target });
  }
  if (!isNamed(actor)) return actorRequired('ask for a promotion');
  const barred = rules.find((rule) => !matchesAny(rule.requesters, actor));
  if (barred) {
    const message = `policy ${barred.policy} lets ${barred.requesters.join(', ')} ask for ${targetText(target)}, not ${actor}`;
    return reject('MR_REGISTRY_REQUESTER_FORBIDDEN', message, { policy: barred.policy });
  }
  const elsewhere = rules.find((rule) => rule.from !== null && !rule.from.includes(found.stage));
  if (elsewhere) {
    const stages = (elsewhere.from as readonly Stage[]).join(' or ');
    const message = `policy ${elsewhere.policy} takes versions from ${stages}; version ${version} is in ${found.stage}`;
    return reject('MR_REGISTRY_PROMOTION_FROM', message, { policy: elsewhere.policy, stage: found.stage });
  }
  if (holds(state, version, target)) {
    return reject('MR_REGISTRY_PROMOTION_HOLDS', `version ${version} is at ${targetText(target)} already`, { version, target });
  }
  for (const other of state.governance.promotions.values()) {
    if (other.status !== 'open' || other.version !== version || time >= other.expiresAt) continue;
    if (other.target.kind === target.kind && other.target.name === target.name) {
      const message = `request ${other.request} by ${other.requestedBy} asks for the same and is open`;
      return reject('MR_REGISTRY_PROMOTION_REPEATED', message, { request: other.request });
    }
  }
  return accept('PromotionRequested', {
    request: state.governance.lastRequest + 1,
    version,
    target,
    archiveOthers: archives(target) && (command.archiveOthers ?? rules.some((rule) => rule.archivesOthers)),
    reason,
    policies: rules.map(({ policy, policyVersion }) => ({ name: policy, version: policyVersion })),
    expiresAt: time + Math.min(...rules.map((rule) => rule.lifetimeMs)),
  });
}

function archives(target: Target): boolean {
  return target.kind === 'stage' && (target.name === 'Staging' || target.name === 'Production');
}

function holds(state: GovernedModel, version: number, target: Target): boolean {
  return target.kind === 'alias' ? holderOf(state, target) === version : state.versions.get(version)?.stage === target.name;
}

/** The open request of that number, or why there is none. One whose time is over is refused before its expiry is in the log. */
export function openPromotion(state: GovernedModel, number: number, now: number, isExpiring = false): { promotion: Promotion } | Refused {
  const promotion = state.governance.promotions.get(number);
  if (!promotion) {
    return reject('MR_REGISTRY_PROMOTION_NOT_FOUND', `there is no promotion request ${number} of this model`, { request: number });
  }
  if (promotion.status !== 'open') {
    const why = promotion.closingReason ? `: ${promotion.closingReason}` : '';
    const message = `request ${number} is ${promotion.status} (by ${promotion.closedBy ?? ''}${why})`;
    return reject('MR_REGISTRY_PROMOTION_CLOSED', message, { request: number, status: promotion.status });
  }
  if (now >= promotion.expiresAt && !isExpiring) {
    const message = `request ${number} was not satisfied in its time and has expired; ask again`;
    return reject('MR_REGISTRY_PROMOTION_EXPIRED', message, { request: number, expiresAt: promotion.expiresAt });
  }
  return { promotion };
}

function mayApprove(promotion: Promotion, rules: readonly Rule[], actor: string): Refused | undefined {
  if (!isNamed(actor)) return actorRequired('approve or reject');
  if (isSameActor(actor, promotion.requestedBy)) {
    const message = `request ${promotion.request} was made by ${promotion.requestedBy}; somebody else has to decide about it`;
    return reject('MR_REGISTRY_SELF_APPROVAL_FORBIDDEN', message, { request: promotion.request });
  }
  const isApprover = rules.length === 0 || rules.some((rule) => matchesAny(rule.approvers, actor));
  if (isApprover) return undefined;
  const message = `${actor} is not an approver of ${targetText(promotion.target)}; approvers are ${[...new Set(rules.flatMap((rule) => rule.approvers))].join(', ')}`;
  return reject('MR_REGISTRY_APPROVER_FORBIDDEN', message, { request: promotion.request });
}

export function actorRequired(what: string): Refused {
  return reject(
    'MR_REGISTRY_ACTOR_REQUIRED',
    `who wants to ${what} has to say who they are: send the header Millrace-Actor (millrace --as)`,
  );
}
