import type { Lookup } from './check-documents.js';
import type { FeatureReference } from './feature-references.js';
import type { FeatureViewSpec } from './resource.js';
import { notThere } from './say.js';

/** The view that a reference names; says why there is none. */
export function namedView(
  { name, version }: FeatureReference,
  lookup: Lookup,
  say: (message: string) => void,
): FeatureViewSpec | undefined {
  const view = lookup('FeatureView', name, version);
  if (!view && version !== undefined)
    say(`FeatureView ${name} has no version ${version}; versions are told by GET /api/v1/resources/FeatureView/${name}`);
  else if (!view) say(notThere('FeatureView', name));
  return view;
}

/** Whether a view has the feature that a reference names, if it names one; says so where it has not. */
export function hasNamedFeature({ name, feature }: FeatureReference, view: FeatureViewSpec, say: (message: string) => void): boolean {
  const names = view.features.map((item) => item.name);
  const has = feature === undefined || names.includes(feature);
  if (!has) say(`FeatureView ${name} has no feature ${feature}; it has ${names.join(', ')}`);
  return has;
}
