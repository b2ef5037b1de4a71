export { bucketOf, middleOf } from './aggregates/value-buckets.js';
export { Chunk } from './chunk.js';
export { decodeChunk, encodeChunk } from './chunk-codec.js';
export { hash64, hash64Halves } from './hash64.js';
export { COLUMN_TYPES, jsonValue, parseColumnType, type ColumnType, type Value, type ValueKind } from './column-type.js';
export type {
  Aggregate,
  EntityDefinition,
  FeatureDefinition,
  FeatureServiceDefinition,
  FeatureViewDefinition,
  OnDemandViewDefinition,
  SourceDefinition,
  WindowKind,
} from './definitions.js';
export { parseDuration } from './duration.js';
export { compileExpression } from './expression/compile-expression.js';
export { nearest } from './expression/nearest.js';
export { EntityHistory, type KnownPositions } from './entity-history.js';
export { encodeEntityKey, entityKeyText, recordKeyOf } from './entity-key.js';
export { FIRST_TOLD, LAST_TOLD, parseEventTime, TIME_FORMS } from './event-time.js';
export type { ViewRow } from './evaluate.js';
export { OnlineReader, type EntityRow, type FeatureColumn, type FeatureVectors, type ViewPositions } from './online-reader.js';
export { OnlineUpdater, type OnlineUpdaterOptions, type StagedBatch } from './online-updater.js';
export { heldTypeOf } from './derived-features.js';
export {
  compileOnDemandFeature,
  compileOnDemandView,
  compileScope,
  type FindView,
  type OnDemandPlan,
  type RequestField,
} from './on-demand/compile-on-demand-view.js';
export type { OnDemandColumn } from './on-demand/on-demand-column.js';
export { parseFeatureReference, servedNames } from './service-names.js';
export {
  compileFeatureService,
  isOnDemand,
  parseKeyValue,
  parseRequestValue,
  servicePlan,
  type ServedView,
  type ServiceFeature,
  type ServicePlan,
  type StoredFeature,
} from './service-plan.js';
export { readSourceEvent, type DecodedEvent, type SourceEvent } from './source-event.js';
export { cloudEventFields, readSourceRecord, type SourceFormat } from './source-record.js';
export { compileSource, invalidDefinition, type SourceColumn, type SourcePlan } from './source-plan.js';
export { StandingStates } from './standing-states.js';
export { Status, STATUS_NAMES } from './status.js';
export { checkpointKey, decodeCheckpoint, leavingKey, stateOfLeaving, statePrefix, viewKey } from './store-keys.js';
export { compileView, type PlanColumn, type PlanFeature, type ViewPlan, type WindowGroup } from './view-plan.js';
