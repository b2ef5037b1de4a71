import { decodedSafely } from '@millrace/mlflow-protocol';
import type { OfflineStore } from '@millrace/offline-store';
import { inputViews, onDemandResources, parseReference, serviceResources, viewResources, type ResourceCatalog } from '@millrace/resources';
import type { LineageSource } from '../queries/lineage.query.js';
import { versionView, type RegistryView } from '../queries/registry-view.js';
import { deploymentsOf } from './card-facts.js';
import type { FollowedTracking, RunFacts } from './run-artifacts.js';

export interface LineageFolds {
  readonly view: RegistryView;
  readonly tracking: FollowedTracking;
  readonly catalog: Pick<ResourceCatalog, 'list' | 'get'>;
  /** Training sets are decisions of another service: the table of decisions has them. */
  readonly offline: OfflineStore;
}

/** Training sets taken into a graph at most, the newest first. */
const MOST_TRAINING_SETS = 100_000;

/** Lineage by the folds of this process: its own versions, the runs it follows, the resources of the catalog; and the training sets that were asked for. */
export function lineageSource({ view, tracking, catalog, offline }: LineageFolds): LineageSource {
  /** Views by their references, each once: with the version named, or as it is applied. */
  const versionsOf = (references: readonly string[]): { name: string; version: number }[] => {
    const named = new Map(references.map(parseReference).map((one) => [`${one.name}@${one.version ?? ''}`, one]));
    return [...named.values()].flatMap(({ name, version = catalog.get('FeatureView', name)?.version }) =>
      version === undefined ? [] : [{ name, version }],
    );
  };
  return {
    *versions() {
      for (const model of view.models()) {
        for (const version of model.model.versions.values()) {
          const deployments = deploymentsOf(catalog, versionView(model, version));
          const derivedFrom = parentOf(version.tags);
          yield { model: model.registered.name, version: version.version, runId: version.runId, deployments, derivedFrom };
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
    *views() {
      for (const { name, version: newest } of catalog.list('FeatureView')) {
        for (let version = 1; version <= newest; version++) {
          const stored = viewResources(catalog, `${name}@${version}`);
          const onDemand = onDemandResources(catalog, `${name}@${version}`);
          if (stored) yield { name, version, source: stored.source.name, inputs: [] };
          else if (onDemand) yield { name, version, source: undefined, inputs: versionsOf(inputViews(onDemand)) };
        }
      }
    },
    *services() {
      for (const { name, version: newest } of catalog.list('FeatureService')) {
        for (let version = 1; version <= newest; version++) {
          const features = serviceResources(catalog, `${name}@${version}`)?.features ?? [];
          yield { name, version, views: versionsOf(features) };
        }
      }
    },
    *sources() {
      for (const { name } of catalog.list('Source')) yield name;
    },
    *servingFeatures() {
      for (const { name, spec } of catalog.list('Deployment')) {
        if (spec.featureService !== undefined) yield { deployment: name, featureService: spec.featureService };
      }
    },
    async *trainingSets() {
      const rows = await offline.query<{ id: string; service: string; version: string; source: string; deployment: string }>(
        `SELECT JSONExtractString(data, 'trainingSetId') AS id, JSONExtractString(data, 'featureService') AS service, JSONExtractUInt(data, 'featureServiceVersion') AS version,
           JSONExtractString(data, 'spine', 'source') AS source, JSONExtractString(data, 'spine', 'deployment') AS deployment
         FROM millrace.decisions WHERE _topic = 'millrace.features.decisions' AND type = 'TrainingSetRequested'
         ORDER BY time DESC LIMIT 1 BY id LIMIT ${MOST_TRAINING_SETS}`,
      );
      for (const { id, service, version, source, deployment } of rows) {
        yield {
          id,
          featureService: service,
          version: Number(version) || null,
          spineSource: source === '' ? null : source,
          spineDeployment: deployment === '' ? null : deployment,
        };
      }
    },
  };
}

/** Tag of a version that was made of another, `models:/delay/3`, as `millrace models optimize` and others set it. */
const DERIVED_FROM_TAG = 'millrace.derived_from';

function parentOf(tags: ReadonlyMap<string, string>): { model: string; version: number } | undefined {
  const match = /^models:\/(.+)\/([1-9]\d{0,14})$/.exec(tags.get(DERIVED_FROM_TAG) ?? '');
  return match ? { model: decodedSafely(match[1] as string), version: Number(match[2]) } : undefined;
}
