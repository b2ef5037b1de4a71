export { applyDocuments, type AppliedDocument, type ApplyContext, type ApplyResult } from './apply-documents.js';
export { LONGEST_WAIT } from './check-policy.js';
export { checkDocument, type Lookup } from './check-documents.js';
export {
  inputViews,
  onDemandResources,
  parseReference,
  parseVersionedName,
  serviceResources,
  viewResources,
  type FeatureReference,
  type ServiceResources,
  type VersionedName,
  type ViewResources,
} from './feature-references.js';
export {
  RESOURCE_AGGREGATE,
  resource,
  resourceSubject,
  type ResourceCommand,
  type ResourceRejection,
  type ResourceState,
} from './domain/resource/resource.decider.js';
export type { ResourceApplied, ResourceDeleted, ResourceEvent } from './domain/resource/resource.events.js';
export { NAME_PATTERN, parseDocuments, type ParsedDocuments } from './parse-documents.js';
export { usersOf } from './pins.js';
export { ResourceCatalog, type ResourceChange } from './resource-catalog.js';
export {
  API_VERSION,
  isKind,
  isOnDemandSpec,
  KINDS,
  type DeploymentSpec,
  type DocumentProblem,
  type EntitySpec,
  type ExpectationSpec,
  type ExperimentSpec,
  type FeatureServiceSpec,
  type FeatureSpec,
  type FeatureViewSpec,
  type Kind,
  type MetricSpec,
  type OnDemandViewSpec,
  type Pins,
  type PolicyCheckSpec,
  type PolicySpec,
  type Resource,
  type ResourceDocument,
  type ResourceSpecs,
  type RolloutGateSpec,
  type RolloutSpec,
  type RolloutStepSpec,
  type SourceSpec,
  type StreamingInferenceSpec,
  type VariantSpec,
} from './resource.js';
export { ServedFeatures } from './served-features.js';
export { hasComputedId, isBatchSource, keyColumns, sourceDefinition, sourceTopic } from './source-definition.js';
