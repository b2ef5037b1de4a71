import {
  accept,
  reject,
  unchanged,
  type Command,
  type CommandContext,
  type Decider,
  type Decision,
  type Rejection,
} from '@millrace/kernel';
import { model, type ModelCommand, type ModelRejection } from '../model/model.decider.js';
import type { ModelEvent } from '../model/model.events.js';
import type { GovernanceEvent, Target, VersionChecked } from './governance.events.js';
import { checkKey, evolveGovernance, followMove, noGovernance, reportedCheck, type GovernedModel } from './governance.state.js';
import { decideMove, fulfil } from './moves.js';
import { decidePromotion, type PromotionCommand, type PromotionRejection } from './promotions.js';
import { rollBack } from './roll-back.js';
import type { Rule } from './rules.js';

/** Policies that match the model by its name. They come in with the command; none: nothing is governed. */
interface Governed {
  readonly rules?: readonly Rule[];
}

export type GovernedCommand =
  | (ModelCommand & Governed)
  | PromotionCommand
  | (Command<'RecordCheck'> & VersionChecked)
  | (Command<'RollBack'> & {
      /** `null`: what was moved last. */
      readonly target: Target | null;
      /** `null`: the version that was there before. */
      readonly to: number | null;
      readonly reason: string;
      readonly rules: readonly Rule[];
    });

export type GovernedEvent = ModelEvent | GovernanceEvent;

export type GovernanceRejection =
  | PromotionRejection
  | Rejection<
      | 'MR_REGISTRY_PROMOTION_REQUIRED'
      | 'MR_REGISTRY_POLICY_FORBIDDEN'
      | 'MR_REGISTRY_ROLLBACK_NOTHING'
      | 'MR_REGISTRY_ROLLBACK_VERSION_INVALID'
    >;

export type GovernedRejection = ModelRejection | GovernanceRejection;

export type GovernedDecision = Decision<GovernedEvent, GovernedRejection>;

/** A registered model whose moves obey policies: the model's own decider, and around it what may happen when. */
export const governedModel: Decider<GovernedModel, GovernedCommand, GovernedEvent, GovernedRejection> = {
  initial: () => ({ ...model.initial(), governance: noGovernance() }),

  evolve(state, event, context) {
    switch (event.type) {
      case 'VersionChecked':
      case 'PromotionRequested':
      case 'PromotionApproved':
      case 'PromotionRejected':
      case 'PromotionWithdrawn':
      case 'PromotionExpired':
        evolveGovernance(state.governance, event, context);
        return state;
      default:
        model.evolve(state, event, context);
        followMove(state, event, context);
        return state;
    }
  },

  decide(command, state, context): GovernedDecision {
    switch (command.type) {
      case 'RecordCheck':
        return recordCheck(command, state, context);
      case 'RollBack':
        return rollBack(command, state, context);
      case 'PromoteVersion':
        return fulfil(command, state, context);
      case 'RequestPromotion':
      case 'ApprovePromotion':
      case 'RejectPromotion':
      case 'WithdrawPromotion':
      case 'ExpirePromotion':
        return decidePromotion(command, state, context);
      case 'MoveVersion':
      case 'AssignAlias':
      case 'RemoveAlias':
      case 'DeleteVersion':
        return decideMove(command, command.rules ?? [], state, context);
      default:
        return model.decide(command, state, context);
    }
  },
};

/** Whether the same was found before; then nothing is to be recorded. A fresh look at an old result counts as new. */
function recordCheck(
  command: Extract<GovernedCommand, { type: 'RecordCheck' }>,
  state: GovernedModel,
  context: CommandContext,
): GovernedDecision {
  const { type: _, ...result } = command;
  if (!state.versions.has(result.version)) {
    return reject('MR_REGISTRY_VERSION_NOT_FOUND', `Model Version (version=${result.version}) not found`, { version: result.version });
  }
  const results = state.governance.checks.get(result.version);
  const last =
    result.source === 'reported'
      ? reportedCheck(results, result.check, () => true)
      : results?.get(checkKey({ ...result, actor: context.actor }));
  const isSame =
    last !== undefined &&
    last.passed === result.passed &&
    last.against === result.against &&
    last.source === result.source &&
    last.detail === result.detail &&
    // Whoever made the registry look, it is the registry that found it.
    (result.source === 'evaluated' || last.actor === context.actor) &&
    context.time - last.at < REPEATED_WITHIN_MS;
  return isSame && JSON.stringify(last.evidence) === JSON.stringify(result.evidence) ? unchanged : accept('VersionChecked', result);
}

const REPEATED_WITHIN_MS = 60_000;
