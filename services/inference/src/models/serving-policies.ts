import type { PolicySpec, ResourceCatalog } from '@millrace/resources';
import { isAdmitted, whyNotAdmitted, type ServingPolicy } from '../domain/registry/admission.js';
import type { Resolved } from '../domain/registry/model-reference.js';

const EVERY_MODEL = ['*'];

/** Which versions the policies there are let be served. Costs a look-up where a version is admitted, and nothing where no policy governs serving. */
export class ServingPolicies {
  #policies: readonly ServingPolicy[] = [];
  #isGoverned = false;
  /** What an admitted version has held -> the name it is admitted under. Nothing a version has held is ever taken from it, so this stands until a policy changes. */
  #admitted = new WeakMap<ReadonlySet<string>, string>();

  /** Takes the policies as they are now. */
  define(policies: readonly ServingPolicy[]): void {
    this.#policies = policies;
    this.#isGoverned = policies.some(({ governsServing }) => governsServing);
    this.#admitted = new WeakMap();
  }

  /** Whether a version of a model, by what it has held, may be served. */
  admits(name: string, held: ReadonlySet<string>): boolean {
    if (!this.#isGoverned || this.#admitted.get(held) === name) return true;
    if (!isAdmitted(this.#policies, { name, held })) return false;
    this.#admitted.set(held, name);
    return true;
  }

  /** What was resolved, where it is admitted; why it is not otherwise. */
  hold(resolved: Resolved): Resolved {
    if (!resolved.ok || this.admits(resolved.version.name, resolved.version.held)) return resolved;
    return { ok: false, reason: whyNotAdmitted(this.#policies, resolved.version), isNotAdmitted: true };
  }
}

/** Holds what is served to the policies of the resources, from now on. */
export function followPolicies(catalog: Pick<ResourceCatalog, 'list' | 'onChange'>): ServingPolicies {
  const policies = new ServingPolicies();
  catalog.onChange('Policy', () => policies.define(catalog.list('Policy').map(({ name, spec }) => policyOf(name, spec))));
  return policies;
}

function policyOf(name: string, { models = EVERY_MODEL, stages = [], aliases = [], governsServing = false }: PolicySpec): ServingPolicy {
  return { name, models, stages, aliases, governsServing };
}
