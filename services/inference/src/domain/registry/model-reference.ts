import { CATALOG_SUBJECT, modelSubject, type CatalogState, type ModelState, type RegisteredVersion } from './model-catalog.js';

/** `models:/<name>@<alias>` or `models:/<name>/<version>`. */
export type ModelReference = { readonly name: string; readonly alias: string } | { readonly name: string; readonly version: number };

export type ModelVersion = RegisteredVersion;

const REFERENCE = /^models:\/([^/@]+)(?:@([^/@]+)|\/(\d+))$/;

export function parseModelReference(text: string): ModelReference | undefined {
  const match = REFERENCE.exec(text);
  if (!match) return undefined;
  const [, name, alias, version] = match as unknown as [string, string, string | undefined, string];
  return alias === undefined ? { name, version: Number(version) } : { name, alias };
}

export type Resolved =
  | { readonly ok: true; readonly version: ModelVersion }
  /** `isNotAdmitted`: it is there, and a policy keeps it from being served. */
  | { readonly ok: false; readonly reason: string; readonly isNotAdmitted?: true };

/** What the reference means at the reader's position. `stateOf` gives a subject's folded state. */
export function resolveModel(reference: ModelReference, stateOf: (subject: string) => unknown): Resolved {
  const { modelIds } = stateOf(CATALOG_SUBJECT) as CatalogState;
  const modelId = modelIds.get(reference.name);
  if (modelId === undefined) return { ok: false, reason: `no model ${JSON.stringify(reference.name)} is registered` };
  const { versions, aliases } = stateOf(modelSubject(modelId)) as ModelState;
  const version = 'version' in reference ? reference.version : aliases.get(reference.alias);
  if (version === undefined)
    return {
      ok: false,
      reason: `model ${JSON.stringify(reference.name)} has no alias ${JSON.stringify((reference as { alias: string }).alias)}`,
    };
  const source = versions.get(version);
  if (!source) return { ok: false, reason: `model ${JSON.stringify(reference.name)} has no version ${version}` };
  return { ok: true, version: { ...source, modelId, name: reference.name, version } };
}

/** The versions of a registered model, in order; none where there is no such model. */
export function versionsOf(name: string, stateOf: (subject: string) => unknown): readonly number[] {
  const modelId = (stateOf(CATALOG_SUBJECT) as CatalogState).modelIds.get(name);
  return modelId === undefined ? [] : [...(stateOf(modelSubject(modelId)) as ModelState).versions.keys()].sort((a, b) => a - b);
}

/** The highest version of a registered model, of those admitted where there is one: what is served under the model's own name. */
export function latestVersion(
  name: string,
  stateOf: (subject: string) => unknown,
  admits: (name: string, held: ReadonlySet<string>) => boolean = () => true,
): Resolved {
  const { modelIds } = stateOf(CATALOG_SUBJECT) as CatalogState;
  const modelId = modelIds.get(name);
  if (modelId === undefined) return { ok: false, reason: `no model ${JSON.stringify(name)} is registered` };
  const { versions } = stateOf(modelSubject(modelId)) as ModelState;
  if (versions.size === 0) return { ok: false, reason: `model ${JSON.stringify(name)} has no version` };
  let [latest, highest] = [0, 0];
  for (const [version, { held }] of versions) {
    if (version > highest) highest = version;
    if (version > latest && admits(name, held)) latest = version;
  }
  return resolveModel({ name, version: latest || highest }, stateOf);
}
