import { parseReference, serviceResources, viewResources, type ResourceCatalog } from '@millrace/resources';

/** The columns a feature service gives a model, with those a request brings; `undefined` when there is no such service. */
export function featureVector(catalog: Pick<ResourceCatalog, 'get'>, featureService: string): string[] | undefined {
  const service = serviceResources(catalog, featureService);
  if (!service) return undefined;
  const features = service.features.flatMap((reference) => {
    const { feature } = parseReference(reference);
    if (feature !== undefined) return [feature];
    return (viewResources(catalog, reference)?.view.features ?? []).map(({ name }) => name);
  });
  return [...features, ...Object.keys(service.request ?? {})];
}
