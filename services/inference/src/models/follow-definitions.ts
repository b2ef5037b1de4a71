import type { EventLog } from '@millrace/event-log';
import type { LoggedDecision } from '@millrace/kernel';
import type { DeploymentSpec, ExperimentSpec, ResourceCatalog } from '@millrace/resources';
import type { DeploymentDefinition, ExperimentDefinition, PredictionLogRules } from '../domain/deployment/definitions.js';
import type { FeatureServiceShape } from '../gateway/feature-vectors.js';
import { featureNames } from '../gateway/redact-rows.js';
import { unitsSaid, type UnitSource } from '../gateway/units.js';
import type { ServingDirectory } from './serving-directory.js';

/** A domain's fold, as far as it is looked at here. */
export interface FollowedLog {
  readonly topic: string;
  readonly replica: { positions(): readonly number[] };
  onAccepted(listener: (record: LoggedDecision) => void): () => void;
}

export interface FollowOptions {
  readonly log: Pick<EventLog, 'end'>;
  readonly registry: FollowedLog;
  readonly resources: FollowedLog;
  readonly catalog: ResourceCatalog;
  readonly directory: ServingDirectory;
}

/**
 * Brings every change of deployments, experiments, policies and registered models to the directory. Changes of one turn of the event loop are
 * looked at once: at a start thousands of decisions are folded before anything has to be loaded. Returns whether all that
 * was on the log at the call has been brought.
 */
export async function followDefinitions({ log, registry, resources, catalog, directory }: FollowOptions): Promise<() => boolean> {
  let isDue = false;
  const look = (): void => {
    if (isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      directory.define(
        catalog.list('Deployment').map(({ name, spec }) => deploymentOf(name, spec)),
        catalog.list('Experiment').map(({ name, spec }) => experimentOf(name, spec)),
      );
    });
  };
  catalog.onChange('Deployment', look);
  catalog.onChange('Experiment', look);
  catalog.onChange('Policy', look);
  registry.onAccepted(look);
  const goals = await Promise.all([registry, resources].map(async (domain) => ({ domain, ends: await log.end(domain.topic) })));
  return () =>
    !isDue && goals.every(({ domain, ends }) => ends.every((end, partition) => (domain.replica.positions()[partition] ?? 0) >= end));
}

export function deploymentOf(name: string, { model, featureService, experiment, predictionLog }: DeploymentSpec): DeploymentDefinition {
  const redact = predictionLog?.redact ?? [];
  const rules = predictionLog && {
    ...{ sample: predictionLog.sample ?? 1, redact: new Set(redact), redactFeatures: featureNames(redact) },
  };
  return { name, model, featureService, experiment, predictionLog: rules };
}

/** What a deployment wants kept of its predictions; of one that is deleted, what it wanted last. */
export function predictionLogOf(catalog: Pick<ResourceCatalog, 'versions'>, name: string): PredictionLogRules | undefined {
  const [resource] = catalog.versions('Deployment', name);
  return resource && deploymentOf(name, resource.spec).predictionLog;
}

/** What units that are said with a deployment's predictions may be of; of one that is deleted, as it was last. */
export function saidUnitsOf(
  catalog: Pick<ResourceCatalog, 'versions'>,
  shapeOf: (featureService: string) => FeatureServiceShape | undefined,
  name: string,
): UnitSource {
  const { experiment, featureService } = catalog.versions('Deployment', name)[0]?.spec ?? {};
  const unit = experiment === undefined ? undefined : catalog.versions('Experiment', experiment)[0]?.spec.unit;
  return unitsSaid(unit, featureService, featureService === undefined ? undefined : shapeOf(featureService));
}

export function experimentOf(name: string, { salt = name, traffic = 1, unit, variants }: ExperimentSpec): ExperimentDefinition {
  return {
    name,
    salt,
    traffic,
    unit,
    variants: variants.map((variant) => ({ name: variant.name, weight: variant.weight, model: variant.model })),
  };
}
