import { accept, reject, type CommandContext } from '@millrace/kernel';
import type { Stage } from '../model/model.events.js';
import { holderOf, type GovernedModel } from './governance.state.js';
import type { GovernedCommand, GovernedDecision } from './governed-model.decider.js';
import { matchesAny, rulesOf, targetKey, targetOfKey, targetText } from './rules.js';

/** Goes back to the version that was at the target before and is not known to be bad. Needs no request: something is wrong already. */
export function rollBack(
  command: Extract<GovernedCommand, { type: 'RollBack' }>,
  state: GovernedModel,
  { actor }: CommandContext,
): GovernedDecision {
  const target = command.target ?? (state.governance.lastMoved === null ? undefined : targetOfKey(state.governance.lastMoved));
  if (!target) return nothing('nothing of this model was promoted yet');
  const forbidding = rulesOf(command.rules, target).find((rule) => !matchesAny(rule.rollback, actor));
  if (forbidding) {
    const message = `policy ${forbidding.policy} lets ${forbidding.rollback.join(', ')} roll back ${targetText(target)}, not ${actor}`;
    return reject('MR_REGISTRY_POLICY_FORBIDDEN', message, { policy: forbidding.policy, target });
  }
  const current = holderOf(state, target);
  if (current === undefined) return nothing(`no version is at ${targetText(target)}`);
  const earlier = (state.governance.holders.get(targetKey(target)) ?? []).filter(
    (version) => version !== current && state.versions.has(version),
  );
  const to = command.to ?? earlier.at(-1);
  if (to === undefined) return nothing(`no version was at ${targetText(target)} before version ${current}`);
  if (!earlier.includes(to)) {
    const choice = earlier.length === 0 ? 'there is none' : `those that were are ${earlier.join(', ')}`;
    const message = `version ${to} was not at ${targetText(target)} before version ${current}, or was rolled back itself; ${choice}`;
    return reject('MR_REGISTRY_ROLLBACK_VERSION_INVALID', message, { to, earlier });
  }
  const why = { reason: command.reason, rollsBack: current };
  if (target.kind === 'alias') return accept('AliasAssigned', { alias: target.name, version: to, previous: current, ...why });
  const stage = target.name as Stage;
  const archived = [...state.versions.values()].filter((one) => one.stage === stage && one.version !== to).map((one) => one.version);
  const from = state.versions.get(to)?.stage ?? 'Archived';
  return accept('VersionMoved', { version: to, from, to: stage, archived: archived.sort((a, b) => a - b), ...why });
}

function nothing(why: string): GovernedDecision {
  return reject('MR_REGISTRY_ROLLBACK_NOTHING', `there is nothing to roll back to: ${why}`);
}
