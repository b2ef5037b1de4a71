import type { ResourceCatalog } from '@millrace/resources';

const NOTHING: ReadonlySet<string> = new Set();

/**
 * What deployments leave out of their records (`predictionLog.redact`): by the names of join keys, request fields, and features as vectors and views call them. A
 * record does not say by which version of its deployment it was written, so what any of them leaves out may be missing in it.
 */
export class LeftOut {
  readonly #found = new Map<string, ReadonlySet<string>>();

  constructor(private readonly catalog: Pick<ResourceCatalog, 'versions'>) {}

  /** Of no deployment for `''`. */
  of(deployment: string): ReadonlySet<string> {
    if (deployment === '') return NOTHING;
    let found = this.#found.get(deployment);
    if (!found) {
      const names = this.catalog.versions('Deployment', deployment).flatMap(({ spec }) => spec.predictionLog?.redact ?? []);
      found = names.length === 0 ? NOTHING : new Set(names.flatMap(withoutView));
      this.#found.set(deployment, found);
    }
    return found;
  }
}

/** A record has a feature's own name, and the view before it only where two views have one of that name. */
function withoutView(name: string): string[] {
  return [name, name.replace(':', '__'), name.replace(/^.*?(:|__)/, '')];
}
