/** Splits `view` or `view:feature`. */
export function parseFeatureReference(text: string): { view: string; feature: string | undefined } {
  const colon = text.indexOf(':');
  return colon < 0 ? { view: text, feature: undefined } : { view: text.slice(0, colon), feature: text.slice(colon + 1) };
}

/** What features are called in a model's vector: by their names, or `<view>__<name>` where two views have one of the same name. */
export function servedNames(features: readonly { readonly view: string; readonly name: string }[]): string[] {
  const counts = new Map<string, number>();
  for (const { name } of features) counts.set(name, (counts.get(name) ?? 0) + 1);
  return features.map(({ view, name }) => (counts.get(name) === 1 ? name : `${view}__${name}`));
}
