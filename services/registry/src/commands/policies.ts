import { matchesAny } from '@millrace/kernel';
import { LONGEST_WAIT, type PolicyCheckSpec, type PolicySpec, type ResourceCatalog } from '@millrace/resources';
import type { RequiredCheck, Rule } from '../domain/governance/rules.js';

/** The fold of the resources as the registry reads it. */
export interface PolicyResources {
  readonly catalog: Pick<ResourceCatalog, 'list'>;
  readonly log: { barrier(): Promise<void> };
}

const SECOND = 1000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: 60 * SECOND, h: 3600 * SECOND, d: 86_400 * SECOND };
const DEFAULT_LIFETIME = '7d';
const EVERYBODY = ['*'];

/** The policies there are, as rules for the decider and as checks for who evaluates them. */
export class Policies {
  constructor(private readonly resources: PolicyResources) {}

  /** Rules of the policies that match a model's name. Reads to the log's end first, so that a policy just applied holds. */
  async rules(model: string): Promise<Rule[]> {
    await this.resources.log.barrier();
    return this.rulesNow(model);
  }

  /** {@link rules} as far as this process has read. */
  rulesNow(model: string): Rule[] {
    return this.#matching(model).map(({ name, version, spec }) => ruleOf(model, name, version, spec));
  }

  /** The checks of a model's policies that the registry evaluates itself, with the policy each is of. */
  evaluated(model: string): { policy: string; spec: PolicySpec; check: PolicyCheckSpec }[] {
    return this.#matching(model).flatMap(({ name, spec }) =>
      (spec.checks ?? []).filter(isEvaluated).map((check) => ({ policy: name, spec, check })),
    );
  }

  #matching(model: string) {
    return this.resources.catalog.list('Policy').filter(({ spec }) => matchesAny(spec.models ?? EVERYBODY, model));
  }
}

export function isEvaluated({ type }: PolicyCheckSpec): boolean {
  return type !== 'reported' && type !== 'goldenRows';
}

export function ruleOf(model: string, policy: string, policyVersion: number, spec: PolicySpec): Rule {
  const requesters = spec.requesters ?? EVERYBODY;
  return {
    model,
    policy,
    policyVersion,
    stages: spec.stages ?? [],
    aliases: spec.aliases ?? [],
    from: spec.from ?? null,
    requesters,
    approvers: spec.approvers ?? EVERYBODY,
    approvals: spec.approvals ?? 1,
    checks: (spec.checks ?? []).map(requiredCheck),
    // A policy that was applied before there was a bound may say more.
    lifetimeMs: Math.min(milliseconds(spec.expiresAfter ?? DEFAULT_LIFETIME), LONGEST_WAIT.milliseconds),
    isAutomatic: (spec.promotion ?? 'automatic') === 'automatic',
    archivesOthers: spec.archiveExisting ?? true,
    rollback: spec.rollback ?? requesters,
  };
}

function requiredCheck(check: PolicyCheckSpec): RequiredCheck {
  return {
    name: check.name,
    recorders: isEvaluated(check) ? null : (check.recorders ?? EVERYBODY),
    comparesWithHolder: check.type === 'metric',
    awaits: check.type === 'servable' ? 'a gateway to load it' : null,
    maxAgeMs: check.maxAge === undefined ? null : milliseconds(check.maxAge),
  };
}

function milliseconds(duration: string): number {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(duration);
  return match ? Number(match[1]) * (UNITS[match[2] as string] as number) : Number.NaN;
}
