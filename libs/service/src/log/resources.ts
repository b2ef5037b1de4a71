import { RESOURCE_AGGREGATE, resource, ResourceCatalog } from '@millrace/resources';
import type { DomainLog } from './domain-log.js';
import type { DomainLogs } from './domain-logs.js';

/**
 * The resources, as every process knows them: any of them takes commands on them, all of them fold them. There are few, and the catalog
 * wants every version from the beginning, so their state is folded in memory at each start.
 */
export class Resources {
  readonly catalog = new ResourceCatalog();

  constructor(readonly log: DomainLog) {}

  static async open(domainLogs: DomainLogs): Promise<Resources> {
    const log = await domainLogs.open({ domain: 'resources', aggregates: { [RESOURCE_AGGREGATE]: resource }, state: 'memory' });
    const resources = new Resources(log);
    log.onAccepted((record) => resources.catalog.apply(record));
    return resources;
  }
}
