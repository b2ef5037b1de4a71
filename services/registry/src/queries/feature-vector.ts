import { onDemandResources, parseReference, serviceResources, viewResources, type ResourceCatalog } from '@millrace/resources';

/** The columns a feature service gives a model, with those a request brings; `undefined` when there is no such service. */
export function featureVector(catalog: Pick<ResourceCatalog, 'get'>, featureService: string): string[] | undefined {
  const service = serviceResources(catalog, featureService);
  if (!service) return undefined;
  const request = new Set(Object.keys(service.request ?? {}));
  const features = service.features.flatMap((reference) => {
    const { feature } = parseReference(reference);
    const view = reference.replace(/:.*$/, '');
    const onDemand = onDemandResources(catalog, view);
    for (const name of Object.keys(onDemand?.request ?? {})) request.add(name);
    if (feature !== undefined) return [feature];
    return (onDemand?.features ?? viewResources(catalog, view)?.view.features ?? []).map(({ name }) => name);
  });
  return [...features, ...request];
}
