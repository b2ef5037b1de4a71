import { momentText } from '@millrace/service';
import type { CheckResult, GovernedModel, Promotion } from '../../domain/governance/governance.state.js';
import { rulesOf, type Rule } from '../../domain/governance/rules.js';
import { unmetOf } from '../../domain/governance/unmet.js';

/** A request as it is shown; an open one with what it still lacks. */
export function promotionJson(model: string, state: GovernedModel, promotion: Promotion, rules: readonly Rule[], now: number): object {
  const { request, version, target, archiveOthers, reason, policies } = promotion;
  const status = statusAt(promotion, now);
  return {
    model,
    request,
    version,
    target: targetJson(target),
    archiveOthers,
    reason,
    policies,
    status,
    requestedBy: promotion.requestedBy,
    requestedAt: momentText(promotion.requestedAt),
    expiresAt: momentText(promotion.expiresAt),
    approvals: Array.from(promotion.approvals, ([actor, { at, comment }]) => ({ actor, at: momentText(at), comment })),
    ...(status === 'open' ? { unmet: unmetOf(state, promotion, rulesOf(rules, target), now) } : {}),
    ...(promotion.closedAt === null
      ? {}
      : { closedBy: promotion.closedBy, closedAt: momentText(promotion.closedAt), closingReason: promotion.closingReason }),
  };
}

/** An open request is over by its time, before that is decided. */
export function statusAt({ status, expiresAt }: Promotion, now: number): Promotion['status'] {
  return status === 'open' && now >= expiresAt ? 'expired' : status;
}

export function targetJson({ kind, name }: Promotion['target']): object {
  return { [kind]: name };
}

export function checkJson({ actor, at, ...result }: CheckResult): object {
  return { ...result, actor, at: momentText(at) };
}
