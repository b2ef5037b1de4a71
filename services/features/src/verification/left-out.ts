import { parseVersionedName, type ResourceCatalog } from '@millrace/resources';
import { EVERYTHING, featureNames } from '../reads/redact-rows.js';
import type { ServedVector } from './served-vectors.js';

/** Whether a name may be missing in a record. */
export interface LeftNames {
  readonly isNothing: boolean;
  has(name: string): boolean;
}

const NOTHING: LeftNames = { isNothing: true, has: () => false };
const ALL: LeftNames = { isNothing: false, has: () => true };

/** Of a read where it says so, else of a prediction. */
export type Recorded = Pick<ServedVector, 'deployment' | 'featureService'> & Partial<Pick<ServedVector, 'servedFor'>>;

/**
 * What deployments leave out of their records (`predictionLog.redact`), and feature services of the records of their reads (`readLog.redact`): by the names of join
 * keys, request fields, and features as vectors and views call them. A record does not say by which text it was written, so what any of them leaves out may be
 * missing in it.
 */
export class LeftOut {
  readonly #found = new Map<string, LeftNames>();

  constructor(private readonly catalog: Pick<ResourceCatalog, 'redacted'>) {}

  /** Of a prediction of no deployment nothing. */
  of({ servedFor, deployment, featureService }: Recorded): LeftNames {
    if (servedFor === 'read') return this.#of('FeatureService', parseVersionedName(featureService).name);
    return deployment === '' ? NOTHING : this.#of('Deployment', deployment);
  }

  #of(kind: 'Deployment' | 'FeatureService', name: string): LeftNames {
    const key = `${kind}/${name}`;
    let found = this.#found.get(key);
    if (!found) this.#found.set(key, (found = namesOf(this.catalog.redacted(kind, name))));
    return found;
  }
}

function namesOf(redacted: ReadonlySet<string>): LeftNames {
  if (redacted.size === 0) return NOTHING;
  if (redacted.has(EVERYTHING)) return ALL;
  const names = new Set([...redacted].flatMap(featureNames));
  return { isNothing: false, has: (name) => names.has(name) };
}
