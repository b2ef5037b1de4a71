import type { CommandMetadata, CommandOutcome, Ids, Position } from '@millrace/kernel';
import type { Target, VersionChecked } from '../domain/governance/governance.events.js';
import { type GovernedModel, type Promotion } from '../domain/governance/governance.state.js';
import type { GovernedCommand, GovernedEvent, GovernedRejection } from '../domain/governance/governed-model.decider.js';
import { rulesOf, targetKey } from '../domain/governance/rules.js';
import { unmetOf } from '../domain/governance/unmet.js';
import { modelNotFound } from '../domain/models/models.decider.js';
import type { RegistryView } from '../queries/registry-view.js';
import type { CheckEvaluator } from './check-evaluator.js';
import type { Policies } from './policies.js';
import type { DecisionWriter, Written } from './registry-commands.js';

/** The actor of what the registry does because a policy says so. */
export const REGISTRY_ACTOR = 'millrace';

export interface NewPromotion {
  readonly version: number;
  readonly target: Target;
  readonly archiveOthers: boolean | null;
  readonly reason: string;
}

export type ReportedCheck = Omit<VersionChecked, 'source'>;

export interface Settling {
  readonly isFresh?: boolean;
  readonly mayBeMended?: boolean;
}

type Outcome = CommandOutcome<GovernedEvent, GovernedRejection>;

/** What people may do about the promotion of versions. Each is a command of its own on the model's subject. */
export class GovernanceCommands {
  constructor(
    private readonly log: DecisionWriter,
    private readonly view: RegistryView,
    private readonly policies: Policies,
    private readonly evaluator: CheckEvaluator,
    private readonly ids: Ids,
  ) {}

  /** Asks for a promotion: the registry's own checks are made first, then the request, then the promotion if nothing is missing. */
  async request(name: string, promotion: NewPromotion, metadata: CommandMetadata): Promise<Written<number>> {
    const modelId = await this.#modelId(name);
    if (modelId === undefined) return unknownModel(name);
    const rules = await this.policies.rules(name);
    const outcome = await this.#handle(modelId, { type: 'RequestPromotion', ...promotion, rules }, metadata);
    if (outcome.kind === 'rejected') return outcome;
    const request = outcome.kind === 'accepted' && outcome.event.type === 'PromotionRequested' ? outcome.event.data.request : 0;
    await this.#evaluate(modelId, name, promotion.version, promotion.target, metadata);
    const settled = await this.settle(modelId, name, request, metadata, { isFresh: true });
    return { kind: 'written', value: request, position: settled ?? outcome.position };
  }

  async approve(name: string, request: number, comment: string, metadata: CommandMetadata): Promise<Written<number>> {
    return this.#about(name, request, { type: 'ApprovePromotion', request, comment, rules: await this.policies.rules(name) }, metadata);
  }

  async reject(name: string, request: number, reason: string, metadata: CommandMetadata): Promise<Written<number>> {
    return this.#about(name, request, { type: 'RejectPromotion', request, reason, rules: await this.policies.rules(name) }, metadata);
  }

  withdraw(name: string, request: number, reason: string, metadata: CommandMetadata): Promise<Written<number>> {
    return this.#about(name, request, { type: 'WithdrawPromotion', request, reason }, metadata);
  }

  /** Moves the version of a request that has all it needs; for policies that say `manual`. */
  async promote(name: string, request: number, metadata: CommandMetadata): Promise<Written<number>> {
    const modelId = await this.#modelId(name);
    if (modelId === undefined) return unknownModel(name);
    const rules = await this.policies.rules(name);
    await this.#refreshChecks(modelId, name, request, metadata);
    const outcome = await this.#handle(modelId, { type: 'PromoteVersion', request, rules, isByPolicy: false }, metadata);
    return outcome.kind === 'rejected' ? outcome : { kind: 'written', value: request, position: outcome.position };
  }

  /** Before a version is moved by MLflow's own call: looks again at what the registry checks itself, where an open request asks for that move. */
  async lookBeforeMove(name: string, version: number, target: Target, metadata: CommandMetadata): Promise<void> {
    await this.view.upToDate();
    const modelId = await this.#modelId(name);
    if (modelId === undefined) return;
    for (const promotion of this.#state(modelId).governance.promotions.values()) {
      const isAsked = promotion.status === 'open' && promotion.version === version && targetKey(promotion.target) === targetKey(target);
      if (isAsked) await this.#refreshChecks(modelId, name, promotion.request, { ...byRegistry(metadata), commandId: metadata.commandId });
    }
  }

  /** Records a check's result that somebody reports, and promotes what was waiting for it. */
  async recordCheck(name: string, check: ReportedCheck, metadata: CommandMetadata): Promise<Written<number>> {
    const modelId = await this.#modelId(name);
    if (modelId === undefined) return unknownModel(name);
    const outcome = await this.#handle(modelId, { type: 'RecordCheck', ...check, source: 'reported' }, metadata);
    if (outcome.kind === 'rejected') return outcome;
    const settled = await this.#settleVersion(modelId, name, check.version, metadata);
    return { kind: 'written', value: check.version, position: settled ?? outcome.position };
  }

  /** Makes the registry's own checks of a version again, and promotes what was waiting for them. */
  async evaluate(name: string, version: number, target: Target | undefined, metadata: CommandMetadata): Promise<Written<number>> {
    const modelId = await this.#modelId(name);
    if (modelId === undefined) return unknownModel(name);
    await this.policies.rules(name);
    const evaluated = await this.#evaluate(modelId, name, version, target, metadata);
    const settled = await this.#settleVersion(modelId, name, version, metadata);
    const position = settled ?? evaluated;
    if (position) return { kind: 'written', value: version, position };
    const message = `no policy has a check of ${name} version ${version} that the registry makes itself`;
    return { kind: 'rejected', rejection: { code: 'MR_REGISTRY_PROMOTION_UNGOVERNED', message } };
  }

  async rollBack(
    name: string,
    asked: { target: Target | null; to: number | null; reason: string },
    metadata: CommandMetadata,
  ): Promise<Written<GovernedEvent | undefined>> {
    const modelId = await this.#modelId(name);
    if (modelId === undefined) return unknownModel(name);
    const rules = await this.policies.rules(name);
    const outcome = await this.#handle(modelId, { type: 'RollBack', ...asked, rules }, metadata);
    if (outcome.kind === 'rejected') return outcome;
    return { kind: 'written', value: outcome.kind === 'accepted' ? outcome.event : undefined, position: outcome.position };
  }

  /** Marks a request whose time is over. */
  async expire(modelId: string, request: number, now: number): Promise<void> {
    const metadata = { commandId: ownCommandId('expire', modelId, request), actor: REGISTRY_ACTOR, now };
    await this.#handle(modelId, { type: 'ExpirePromotion', request }, metadata);
  }

  /**
   * Promotes an open request whose policies all say `automatic` and ask for nothing more. What the registry checks itself is looked at again
   * first, unless that was just done (`isFresh`): tags, descriptions and metrics may have changed since. What failed is looked at again only where
   * it may have been mended (`mayBeMended`). Gives the position of what was recorded last, if anything was; whoever else does the same at the
   * same time is the log's affair.
   */
  async settle(
    modelId: string,
    name: string,
    request: number,
    metadata: Pick<CommandMetadata, 'now' | 'traceparent'>,
    { isFresh = false, mayBeMended = false }: Settling = {},
  ): Promise<Position | undefined> {
    let isLookedAt = isFresh;
    let last = mayBeMended ? await this.#lookAtFailed(modelId, name, request, metadata) : undefined;
    for (let attempt = 0; attempt < MOST_REFRESHES; attempt++) {
      const promotion = this.#open(modelId, request);
      const rules = this.policies.rulesNow(name);
      const governing = promotion && rulesOf(rules, promotion.target);
      if (!promotion || !governing || governing.length === 0 || !governing.every((rule) => rule.isAutomatic)) return last;
      const unmet = unmetOf(this.#state(modelId), promotion, governing, metadata.now);
      const refresh = { ...byRegistry(metadata), commandId: this.ids.next() };
      if (unmet.length === 0 && !isLookedAt) {
        isLookedAt = true;
        last = (await this.#refreshChecks(modelId, name, request, refresh)) ?? last;
        continue;
      }
      if (unmet.length === 0) {
        const commandId = ownCommandId('promote', modelId, request, attempt);
        const command: GovernedCommand = { type: 'PromoteVersion', request, rules, isByPolicy: true };
        const outcome = await this.#handle(modelId, command, { ...byRegistry(metadata), commandId });
        if (outcome.kind === 'accepted') return outcome.position;
        // Another promotion came first and this one's comparison is old now: look again.
        if (outcome.kind === 'unchanged' || outcome.rejection.code !== 'MR_REGISTRY_PROMOTION_UNMET') return last;
        continue;
      }
      // Only what is open is looked at again: the reactor asks each second for as long as something is waited for.
      const isOnlyOld = unmet.every((one) => one.what === 'check' && one.isOpen === true);
      const open = new Set(unmet.flatMap(({ check }) => check ?? []));
      const looked = isOnlyOld ? await this.#refreshChecks(modelId, name, request, refresh, open) : undefined;
      if (!looked) return last;
      last = looked;
    }
    return last;
  }

  /** Makes those of the registry's own checks again that a request fails. What has no result yet may still be looked at by who asked. */
  async #lookAtFailed(
    modelId: string,
    name: string,
    request: number,
    metadata: Pick<CommandMetadata, 'now' | 'traceparent'>,
  ): Promise<Position | undefined> {
    const promotion = this.#open(modelId, request);
    if (!promotion) return undefined;
    const governing = rulesOf(this.policies.rulesNow(name), promotion.target);
    const own = new Set(governing.flatMap(({ checks }) => checks.filter(({ recorders }) => recorders === null).map((check) => check.name)));
    const unmet = unmetOf(this.#state(modelId), promotion, governing, metadata.now);
    const failed = new Set(unmet.flatMap(({ check, isOpen }) => (check !== undefined && isOpen !== true && own.has(check) ? check : [])));
    if (failed.size === 0) return undefined;
    const looking = { ...byRegistry(metadata), commandId: this.ids.next() };
    return this.#refreshChecks(modelId, name, request, looking, failed);
  }

  async #about(name: string, request: number, command: GovernedCommand, metadata: CommandMetadata): Promise<Written<number>> {
    const modelId = await this.#modelId(name);
    if (modelId === undefined) return unknownModel(name);
    const outcome = await this.#handle(modelId, command, metadata);
    if (outcome.kind === 'rejected') return outcome;
    const isApproval = command.type === 'ApprovePromotion';
    const settled = isApproval ? await this.settle(modelId, name, request, metadata, { mayBeMended: true }) : undefined;
    return { kind: 'written', value: request, position: settled ?? outcome.position };
  }

  async #settleVersion(modelId: string, name: string, version: number, metadata: CommandMetadata): Promise<Position | undefined> {
    let last: Position | undefined;
    for (const promotion of this.#state(modelId).governance.promotions.values()) {
      if (promotion.status !== 'open' || promotion.version !== version) continue;
      last = (await this.settle(modelId, name, promotion.request, metadata, { mayBeMended: true })) ?? last;
    }
    return last;
  }

  /** Makes the registry's own checks of a request again. Gives the position of the last result, if any can be made. */
  async #refreshChecks(
    modelId: string,
    name: string,
    request: number,
    metadata: CommandMetadata,
    only?: ReadonlySet<string>,
  ): Promise<Position | undefined> {
    const promotion = this.#open(modelId, request);
    return promotion && this.#evaluate(modelId, name, promotion.version, promotion.target, metadata, only);
  }

  async #evaluate(
    modelId: string,
    name: string,
    version: number,
    target: Target | undefined,
    metadata: CommandMetadata,
    only?: ReadonlySet<string>,
  ): Promise<Position | undefined> {
    let last: Position | undefined;
    for (const check of await this.evaluator.evaluate(name, version, target, only)) {
      // Not derived from the client's: a look that is taken for one of before, or for what the client did under that id, finds nothing.
      const commandId = this.ids.next();
      const outcome = await this.#handle(modelId, { type: 'RecordCheck', ...check, source: 'evaluated' }, { ...metadata, commandId });
      if (outcome.kind !== 'rejected') last = outcome.position;
    }
    return last;
  }

  #open(modelId: string, request: number): Promotion | undefined {
    const promotion = this.#state(modelId).governance.promotions.get(request);
    return promotion?.status === 'open' ? promotion : undefined;
  }

  #state(modelId: string): GovernedModel {
    return this.view.governed(modelId);
  }

  #handle(modelId: string, command: GovernedCommand, metadata: CommandMetadata): Promise<Outcome> {
    return this.log.handle<GovernedEvent, GovernedRejection>(`model/${modelId}`, command, metadata);
  }

  async #modelId(name: string): Promise<string | undefined> {
    const seen = this.view.model(name);
    if (seen) return seen.registered.modelId;
    await this.view.upToDate();
    return this.view.model(name)?.registered.modelId;
  }
}

/** What the registry does in the course of somebody's command is its own: the key was theirs. */
function byRegistry({ now, traceparent }: Pick<CommandMetadata, 'now' | 'traceparent'>): Omit<CommandMetadata, 'commandId'> {
  return { actor: REGISTRY_ACTOR, now, ...(traceparent === undefined ? {} : { traceparent }) };
}

/** The same in every process, and none that a client can choose: their ids hold no spaces. */
function ownCommandId(what: string, ...about: readonly (string | number)[]): string {
  return [what, ...about].join(' ');
}

/** Each refresh means that another promotion to the same target came first. */
const MOST_REFRESHES = 10;

function unknownModel(name: string): { kind: 'rejected'; rejection: ReturnType<typeof modelNotFound>['rejection'] } {
  return { kind: 'rejected', rejection: modelNotFound(name).rejection };
}
