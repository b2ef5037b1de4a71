import type { ResourceCatalog } from '@millrace/resources';
import type { LineageSource } from '../queries/lineage.query.js';
import { versionView, type RegistryView } from '../queries/registry-view.js';
import { deploymentsOf } from './card-facts.js';
import type { FollowedTracking, RunFacts } from './run-artifacts.js';

/** Lineage by the folds of this process: its own versions, the runs it follows, the deployments of the catalog. */
export function lineageSource(view: RegistryView, tracking: FollowedTracking, catalog: Pick<ResourceCatalog, 'list'>): LineageSource {
  return {
    *versions() {
      for (const model of view.models()) {
        for (const version of model.model.versions.values()) {
          const deployments = deploymentsOf(catalog, versionView(model, version));
          yield { model: model.registered.name, version: version.version, runId: version.runId, deployments };
        }
      }
    },
    async *runs() {
      for await (const [subject, { state }] of tracking.replica.subjects('run/')) {
        const run = state as RunFacts | null;
        if (!run) continue;
        const { name, datasets = [], trainingSets = [], featureServices = [] } = run;
        yield { runId: subject.slice('run/'.length), name, datasets, trainingSets, featureServices };
      }
    },
  };
}
