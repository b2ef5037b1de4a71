export { checkEvent, factReader, readEvent, type ReadEvent } from './events.js';
export { EVENTS } from './generated/catalog.js';
export type * as access from './generated/types/access.js';
export type * as experimentation from './generated/types/experimentation.js';
export type * as features from './generated/types/features.js';
export type * as inference from './generated/types/inference.js';
export type * as kinds from './generated/types/kinds.js';
export type * as registry from './generated/types/registry.js';
export type * as resources from './generated/types/resources.js';
export type * as tracking from './generated/types/tracking.js';
export { checkSpec, kindSchema, type SpecProblem } from './kinds.js';
export { openInferenceProto } from './open-inference.js';
export { CountedOutputs, outputHeaders, outputId, outputPlaceOf, type OutputPlace } from './stream-outputs.js';
export {
  ALL_TOPICS,
  decisionsTopic,
  DOMAINS,
  OUTPUTS,
  PARTITIONS,
  sourceTopic,
  topicManifest,
  TOPICS,
  type Domain,
  type TopicKind,
  type TopicManifest,
} from './topics.js';
export { Upcasters, upcasters, type KnownEvent, type Upcast, type Upcasted, type UpcastSteps } from './upcasters.js';
export type { ValidationError, Validator } from './validator.js';
