import { registeredVersionReaders } from './domain/registered-versions/registered-versions.js';
import { RegisteredVersionsView } from './queries/registered-versions-view.js';
import type { TrackingHost } from './tracking.runtime.js';

/** Follows the registry, to say of a run and of a logged model which versions were made of them. */
export async function followRegistry({ domainLogs, reset }: TrackingHost): Promise<RegisteredVersionsView> {
  const registry = await domainLogs.follow({ domain: 'registry', aggregates: registeredVersionReaders, as: 'tracking' });
  const view = new RegisteredVersionsView(registry);
  reset.add('state', 'tracking.registered-versions', () => view.clear());
  return view;
}
