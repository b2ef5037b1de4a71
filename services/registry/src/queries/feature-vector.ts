import type { ResourceCatalog } from '@millrace/resources';

/** The columns a feature service gives a model, with those a request brings; `undefined` when there is no such service. */
export function featureVector(catalog: Pick<ResourceCatalog, 'get'>, featureService: string): string[] | undefined {
  const service = catalog.get('FeatureService', featureService);
  if (!service) return undefined;
  const features = service.spec.features.flatMap((reference) => {
    const [view = '', feature] = reference.split(':');
    if (feature !== undefined) return [feature];
    return (catalog.get('FeatureView', view)?.spec.features ?? []).map(({ name }) => name);
  });
  return [...features, ...Object.keys(service.spec.request ?? {})];
}
