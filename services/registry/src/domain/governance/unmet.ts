import { actorKey, matchesAny, shellArgument } from '@millrace/kernel';
import type { Target } from './governance.events.js';
import type { CheckResult, GovernedModel, Promotion } from './governance.state.js';
import { checkKey, holderOf, reportedCheck } from './governance.state.js';
import type { RequiredCheck, Rule } from './rules.js';

/** What a policy still asks for. */
export interface Unmet {
  readonly policy: string;
  readonly what: 'stage' | 'requester' | 'approvals' | 'check';
  readonly message: string;
  /** Name of the check, of a `check`. */
  readonly check?: string;
  /** Of a check: there is no result, or one that compares with what is there no more; looking again may help. */
  readonly isOpen?: boolean;
}

/** Everything the rules still ask of a promotion at `now`; empty when it may happen. */
export function unmetOf(state: GovernedModel, promotion: Promotion, rules: readonly Rule[], now: number): Unmet[] {
  return rules.flatMap((rule) => unmetOfRule(state, promotion, rule, now));
}

function unmetOfRule(state: GovernedModel, promotion: Promotion, rule: Rule, now: number): Unmet[] {
  const { policy } = rule;
  const unmet: Unmet[] = [];
  const stage = state.versions.get(promotion.version)?.stage;
  if (rule.from !== null && stage !== undefined && !rule.from.includes(stage)) {
    unmet.push({
      policy,
      what: 'stage',
      message: `version ${promotion.version} has to be in ${rule.from.join(' or ')}, it is in ${stage}`,
    });
  }
  if (!matchesAny(rule.requesters, promotion.requestedBy)) {
    unmet.push({ policy, what: 'requester', message: `${promotion.requestedBy} may not ask for it` });
  }
  const approvers = approversOf(promotion, rule);
  const missing = rule.approvals - approvers.length;
  if (missing > 0) {
    const given = approvers.length === 0 ? 'none given' : `given by ${approvers.join(', ')}`;
    unmet.push({ policy, what: 'approvals', message: `${missing} more approval${missing === 1 ? '' : 's'} needed (${given})` });
  }
  for (const check of rule.checks) {
    const why = whyNot(state, promotion, rule, check, now);
    if (why !== undefined) unmet.push({ policy, what: 'check', check: check.name, ...why });
  }
  return unmet;
}

/** Whose approval counts under the rule; who approved under several spellings of their name, once. */
export function approversOf(promotion: Promotion, rule: Rule): string[] {
  const counted = new Map<string, string>();
  for (const actor of promotion.approvals.keys()) {
    const key = actorKey(actor);
    if (!counted.has(key) && matchesAny(rule.approvers, actor)) counted.set(key, actor);
  }
  counted.delete(actorKey(promotion.requestedBy));
  return [...counted.values()].sort();
}

interface WhyNot {
  readonly message: string;
  readonly isOpen: boolean;
}

function whyNot(
  state: GovernedModel,
  { version, target }: Promotion,
  { policy, model }: Rule,
  check: RequiredCheck,
  now: number,
): WhyNot | undefined {
  // Looking again is up to the registry only where the registry looks.
  const open = (message: string): WhyNot => ({ message, isOpen: check.recorders === null });
  const result = resultOf(state, version, policy, check);
  if (!result)
    return open(`check ${check.name} has no result for version ${version}${check.awaits === null ? '' : `; it waits for ${check.awaits}`}`);
  if (check.recorders === null && result.source !== 'evaluated') {
    return open(`check ${check.name} was reported; the registry has to evaluate it`);
  }
  if (check.recorders !== null && !matchesAny(check.recorders, result.actor)) {
    return final(`check ${check.name} was recorded by ${result.actor}, whose results do not count here`);
  }
  // A comparison with what was there before says nothing, whichever way it went.
  const stale = check.comparesWithHolder ? staleness(state, version, target, check.name, result.against) : undefined;
  if (stale !== undefined) return open(stale);
  if (!result.passed) {
    const again =
      check.recorders === null
        ? `; once that is mended, look again with "millrace models check ${shellArgument(model)} ${version} --evaluate"`
        : '';
    return final(`check ${check.name} failed${result.detail === '' ? '' : `: ${result.detail}`}${again}`);
  }
  if (check.maxAgeMs !== null && now - result.at > check.maxAgeMs) return open(`the result of check ${check.name} is too old`);
  return undefined;
}

/**
 * What the registry found for the policy, or before it said for which; what was reported last by somebody whose results count. What does not
 * count is given where there is nothing else, for the reason.
 */
function resultOf(state: GovernedModel, version: number, policy: string, check: RequiredCheck): CheckResult | undefined {
  const results = state.governance.checks.get(version);
  const anybody = (): CheckResult | undefined => reportedCheck(results, check.name, () => true);
  const { recorders } = check;
  if (recorders !== null) return reportedCheck(results, check.name, (actor) => matchesAny(recorders, actor)) ?? anybody();
  const evaluated = { check: check.name, source: 'evaluated', actor: '' } as const;
  return results?.get(checkKey({ ...evaluated, policy })) ?? results?.get(checkKey(evaluated)) ?? anybody();
}

function final(message: string): WhyNot {
  return { message, isOpen: false };
}

function staleness(state: GovernedModel, version: number, target: Target, check: string, against: number | null): string | undefined {
  const holder = holderOf(state, target);
  if (holder === undefined || holder === version || against === holder) return undefined;
  const seen = against === null ? 'was made when nothing was there' : `compared it with version ${against}`;
  return `check ${check} ${seen}, now version ${holder} is there`;
}
