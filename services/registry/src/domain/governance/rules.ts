import { matchesAny } from '@millrace/kernel';
import type { Stage } from '../model/model.events.js';
import type { Target } from './governance.events.js';

/** A policy as the decider reads it: defaults filled in, durations in milliseconds. Comes in with the command. */
export interface Rule {
  /** The model it is applied to, as it is named now: refusals name the command that helps. */
  readonly model: string;
  readonly policy: string;
  readonly policyVersion: number;
  readonly stages: readonly Stage[];
  readonly aliases: readonly string[];
  /** Stages the version has to be in; `null`: any. */
  readonly from: readonly Stage[] | null;
  readonly requesters: readonly string[];
  readonly approvers: readonly string[];
  readonly approvals: number;
  readonly checks: readonly RequiredCheck[];
  readonly lifetimeMs: number;
  readonly isAutomatic: boolean;
  readonly archivesOthers: boolean;
  /** Who may go back, or take a version away, without a request. */
  readonly rollback: readonly string[];
}

export interface RequiredCheck {
  readonly name: string;
  /** `null`: only what the registry found itself counts. */
  readonly recorders: readonly string[] | null;
  /** The result has to be of a comparison with the version that holds the target now. */
  readonly comparesWithHolder: boolean;
  readonly maxAgeMs: number | null;
  /** What a result waits for, where the registry cannot make it alone. */
  readonly awaits: string | null;
}

/** The actor of who did not say who they are. */
const ANONYMOUS = 'anonymous';

export function isNamed(actor: string): boolean {
  return actor !== ANONYMOUS && actor !== '';
}

/** Those of the rules that govern a move to (or away from) `target`. */
export function rulesOf(rules: readonly Rule[], target: Target): Rule[] {
  return rules.filter((rule) =>
    target.kind === 'stage' ? rule.stages.some((stage) => stage === target.name) : matchesAny(rule.aliases, target.name),
  );
}

export function targetText({ kind, name }: Target): string {
  return kind === 'stage' ? `stage ${name}` : `alias ${name}`;
}

/** The key under which a target's holders are kept. */
export function targetKey({ kind, name }: Target): string {
  return `${kind}:${name}`;
}

export function targetOfKey(key: string): Target {
  const colon = key.indexOf(':');
  return { kind: key.slice(0, colon) as Target['kind'], name: key.slice(colon + 1) };
}
