import type { PolicySpec, ResourceCatalog } from '@millrace/resources';
import { refusalOf, type Refusal, type ServingPolicy } from '../domain/registry/admission.js';
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
    return this.#refusalOf(name, held) === undefined;
  }

  /** What was resolved, where it is admitted; why it is not otherwise. */
  hold(resolved: Resolved): Resolved {
    if (!resolved.ok) return resolved;
    const { name, version, held } = resolved.version;
    const refusal = this.#refusalOf(name, held);
    return refusal ? { ok: false, reason: refusal(version), isNotAdmitted: true } : resolved;
  }

  #refusalOf(name: string, held: ReadonlySet<string>): Refusal | undefined {
    if (!this.#isGoverned || this.#admitted.get(held) === name) return undefined;
    const refusal = refusalOf(this.#policies, name, held);
    if (!refusal) this.#admitted.set(held, name);
    return refusal;
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
