import { accept, matchesAny, reject, shellArgument, type CommandContext } from '@millrace/kernel';
import { model, type ModelCommand } from '../model/model.decider.js';
import type { Stage } from '../model/model.events.js';
import type { Target } from './governance.events.js';
import type { GovernedModel, Promotion } from './governance.state.js';
import type { GovernedDecision } from './governed-model.decider.js';
import { actorRequired, openPromotion, type PromotionCommand } from './promotions.js';
import { isNamed, rulesOf, targetText, type Rule } from './rules.js';
import { approversOf, unmetOf } from './unmet.js';

type Move = Extract<ModelCommand, { type: 'MoveVersion' | 'AssignAlias' | 'RemoveAlias' | 'DeleteVersion' }>;

/**
 * A move by MLflow's own calls. To a governed target it takes an open request that has all it needs, and fulfils it; away from one it takes
 * an actor who might roll back. What changes nothing needs no permission.
 */
export function decideMove(command: Move, rules: readonly Rule[], state: GovernedModel, context: CommandContext): GovernedDecision {
  const decision = model.decide(command, state, context);
  if (decision.kind !== 'accept' || rules.length === 0) return decision;
  const target = targetOf(command);
  const governing = target === undefined ? [] : rulesOf(rules, target);
  for (const left of leftBy(command, state)) {
    const forbidding = rulesOf(rules, left).find((rule) => !matchesAny(rule.rollback, context.actor));
    if (forbidding) {
      const message = `policy ${forbidding.policy} governs ${targetText(left)}: ${forbidding.rollback.join(', ')} may take a version away from it, not ${context.actor}`;
      return reject('MR_REGISTRY_POLICY_FORBIDDEN', message, { policy: forbidding.policy, target: left });
    }
  }
  if (target === undefined || governing.length === 0 || !('version' in command)) return decision;
  const open = openRequest(state, command.version, target, context.time);
  if (!open) {
    const policies = governing.map((rule) => rule.policy).join(', ');
    const { model: name } = governing[0] as Rule;
    const message =
      `${targetText(target)} is governed by policy ${policies}: ask for a promotion with ` +
      `"millrace models request ${shellArgument(name)} ${command.version} ${target.kind === 'stage' ? '--stage' : '--alias'} ${shellArgument(target.name)}" ` +
      `or POST /api/v1/models/${encodeURIComponent(name)}/promotions`;
    return reject('MR_REGISTRY_PROMOTION_REQUIRED', message, {
      target,
      version: command.version,
      policies: governing.map((rule) => rule.policy),
    });
  }
  const unmet = unmetOf(state, open, governing, context.time);
  if (unmet.length > 0) return unmetRejection(open, unmet);
  const event = decision.event as { type: 'VersionMoved' | 'AliasAssigned'; data: object };
  return accept(event.type, { ...event.data, ...fulfilment(open, governing) }) as GovernedDecision;
}

/** Moves the version of a request that has all its policies ask for. */
export function fulfil(
  command: Extract<PromotionCommand, { type: 'PromoteVersion' }>,
  state: GovernedModel,
  context: CommandContext,
): GovernedDecision {
  const found = openPromotion(state, command.request, context.time);
  if (!('promotion' in found)) return found;
  const { promotion } = found;
  const rules = rulesOf(command.rules, promotion.target);
  if (!command.isByPolicy) {
    if (!isNamed(context.actor)) return actorRequired('promote');
    const barred = rules.find((rule) => !matchesAny(rule.requesters, context.actor) && !matchesAny(rule.approvers, context.actor));
    if (barred) {
      const message = `policy ${barred.policy} lets ${barred.requesters.join(', ')} promote to ${targetText(promotion.target)}, not ${context.actor}`;
      return reject('MR_REGISTRY_REQUESTER_FORBIDDEN', message, { policy: barred.policy });
    }
  }
  const unmet = unmetOf(state, promotion, rules, context.time);
  if (unmet.length > 0) return unmetRejection(promotion, unmet);
  const { version, target, archiveOthers } = promotion;
  const move: Move =
    target.kind === 'stage'
      ? { type: 'MoveVersion', version, to: target.name as Stage, archiveOthers }
      : { type: 'AssignAlias', alias: target.name, version };
  const decision = model.decide(move, state, context);
  // It is there already: somebody moved it before there was a policy. The request is fulfilled by saying so.
  if (decision.kind === 'unchanged') return accept(...restated(state, promotion, rules)) as GovernedDecision;
  if (decision.kind === 'reject') return decision;
  const event = decision.event as { type: 'VersionMoved' | 'AliasAssigned'; data: object };
  return accept(event.type, { ...event.data, ...fulfilment(promotion, rules) }) as GovernedDecision;
}

function restated(state: GovernedModel, promotion: Promotion, rules: readonly Rule[]): ['VersionMoved' | 'AliasAssigned', object] {
  const { version, target } = promotion;
  const why = fulfilment(promotion, rules);
  if (target.kind === 'alias')
    return ['AliasAssigned', { alias: target.name, version, previous: state.aliases.get(target.name) ?? null, ...why }];
  return ['VersionMoved', { version, from: target.name, to: target.name, archived: [], ...why }];
}

/** What ties a move to its request: the number, and why it could be. */
function fulfilment(promotion: Promotion, rules: readonly Rule[]): { request: number; reason: string } {
  const approvers = [...new Set(rules.flatMap((rule) => approversOf(promotion, rule)))].sort();
  const by = [
    `asked for by ${promotion.requestedBy}`,
    ...(approvers.length > 0 ? [`approved by ${approvers.join(', ')}`] : []),
    ...(rules.length > 0 ? [`policy ${rules.map((rule) => rule.policy).join(', ')}`] : []),
  ].join('; ');
  return { request: promotion.request, reason: promotion.reason === '' ? by : `${promotion.reason} (${by})` };
}

function unmetRejection(promotion: Promotion, unmet: ReturnType<typeof unmetOf>): GovernedDecision {
  const list = unmet.map(({ policy, message }) => `${policy}: ${message}`).join('; ');
  return reject('MR_REGISTRY_PROMOTION_UNMET', `request ${promotion.request} cannot be promoted yet: ${list}`, {
    request: promotion.request,
    unmet,
  });
}

function openRequest(state: GovernedModel, version: number, target: Target, now: number): Promotion | undefined {
  return [...state.governance.promotions.values()].find(
    (one) =>
      one.status === 'open' &&
      one.version === version &&
      one.target.kind === target.kind &&
      one.target.name === target.name &&
      now < one.expiresAt,
  );
}

/** Where a command brings a version, if it does. */
export function targetOf(command: ModelCommand): Target | undefined {
  if (command.type === 'MoveVersion') return { kind: 'stage', name: command.to };
  return command.type === 'AssignAlias' ? { kind: 'alias', name: command.alias } : undefined;
}

/** Targets that lose a version by the command and get none instead. */
function leftBy(command: Move, state: GovernedModel): Target[] {
  if (command.type === 'RemoveAlias') return [{ kind: 'alias', name: command.alias }];
  if (command.type === 'AssignAlias') return [];
  const stage = state.versions.get(command.version)?.stage ?? 'None';
  const left: Target[] = command.type === 'MoveVersion' && command.to === stage ? [] : [{ kind: 'stage', name: stage }];
  if (command.type === 'DeleteVersion') {
    for (const [alias, version] of state.aliases) if (version === command.version) left.push({ kind: 'alias', name: alias });
  }
  // `None` is where versions come from: a policy that governs coming back to it does not hold them there.
  return left.filter(({ kind, name }) => kind === 'alias' || name !== 'None');
}
