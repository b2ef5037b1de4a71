import { accept, matchesAny, reject, type CommandContext } from '@millrace/kernel';
import type { Stage } from '../model/model.events.js';
import type { Target } from './governance.events.js';
import { holderOf, type GovernedModel } from './governance.state.js';
import type { GovernedCommand, GovernedDecision } from './governed-model.decider.js';
import { rulesOf, targetKey, targetOfKey, targetText } from './rules.js';

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
  const earlier = (state.governance.holders.get(targetKey(target)) ?? []).filter(
    (version) => version !== current && state.versions.has(version),
  );
  const to = command.to ?? (current === undefined ? undefined : earlier.at(-1));
  if (to === undefined) return nothing(whyNothing(target, current, earlier));
  if (!earlier.includes(to)) {
    const choice = earlier.length === 0 ? 'there is none' : `those that were are ${earlier.join(', ')}`;
    const before = current === undefined ? '' : ` before version ${current}`;
    const message = `version ${to} was not at ${targetText(target)}${before}, or was rolled back itself; ${choice}`;
    return reject('MR_REGISTRY_ROLLBACK_VERSION_INVALID', message, { to, earlier });
  }
  // Where nobody is any more, who was there last is what is gone back from.
  const left = current ?? earlier.at(-1);
  const why = { reason: command.reason, ...(left === undefined || left === to ? {} : { rollsBack: left }) };
  if (target.kind === 'alias') return accept('AliasAssigned', { alias: target.name, version: to, previous: current ?? null, ...why });
  const stage = target.name as Stage;
  const archived = [...state.versions.values()].filter((one) => one.stage === stage && one.version !== to).map((one) => one.version);
  const from = state.versions.get(to)?.stage ?? 'Archived';
  return accept('VersionMoved', { version: to, from, to: stage, archived: archived.sort((a, b) => a - b), ...why });
}

function whyNothing(target: Target, current: number | undefined, earlier: readonly number[]): string {
  if (current !== undefined) return `no version was at ${targetText(target)} before version ${current}`;
  if (earlier.length === 0) return `no version is at ${targetText(target)}, and none was`;
  // The last one may have been taken away because it is bad, or another after it may have been deleted: only people know.
  return `no version is at ${targetText(target)} now; say which of those that were there it is to be (to, or --to): ${[...earlier].reverse().join(', ')}, the last one first`;
}

function nothing(why: string): GovernedDecision {
  return reject('MR_REGISTRY_ROLLBACK_NOTHING', `there is nothing to roll back to: ${why}`);
}
