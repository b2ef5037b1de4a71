/** What the gateway needs to know of the resources it follows; made from their specs in one place. */
export interface DeploymentDefinition {
  readonly name: string;
  /** `models:/name@alias` or `models:/name/N`. */
  readonly model: string;
  readonly featureService: string | undefined;
  readonly experiment: string | undefined;
  /** What is kept of its requests; everything when absent. */
  readonly predictionLog?: PredictionLogRules | undefined;
}

/** How much of a deployment's traffic its prediction log keeps. */
export interface PredictionLogRules {
  /** Share of answered requests that are recorded, 0 to 1. Errors, and what a rollout or experiment decides by, always are. */
  readonly sample: number;
  /** Names whose values are left out of the records: join keys, request inputs, features, input tensors or their columns, outputs. */
  readonly redact: ReadonlySet<string>;
  /** What of it are features and columns: with their view and without. */
  readonly redactFeatures: ReadonlySet<string>;
}

export interface ExperimentDefinition {
  readonly name: string;
  readonly salt: string;
  readonly traffic: number;
  /** The join key or request input that names the unit; the first join key when absent. */
  readonly unit: string | undefined;
  readonly variants: readonly { readonly name: string; readonly weight: number; readonly model: string | undefined }[];
  /** The split of a rollout: whoever it cannot assign is answered by the deployment's own model. */
  readonly isRollout?: boolean;
  /** Of a rollout: the primary answers what the candidate fails. */
  readonly fallsBack?: boolean;
}

/** Every reference a set of deployments may be asked for. */
export function referencesOf(
  deployments: Iterable<DeploymentDefinition>,
  experimentOf: (name: string) => ExperimentDefinition | undefined,
): Set<string> {
  const references = new Set<string>();
  for (const deployment of deployments) {
    references.add(deployment.model);
    const experiment = deployment.experiment === undefined ? undefined : experimentOf(deployment.experiment);
    for (const variant of experiment?.variants ?? []) if (variant.model !== undefined) references.add(variant.model);
  }
  return references;
}
