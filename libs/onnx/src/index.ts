export { checkModel, type ModelProblem } from './check-model.js';
export { FEATURES_METADATA, logisticRegression, logisticRegressionModel, type LogisticRegression } from './logistic-regression.js';
export { inlineExternalData, MOST_GRAPH_BYTES, takeWeightsIn, type FileBeside, type WeightsBeside } from './inline-external-data.js';
export { metadataOf, readModel, setMetadata, writeModel } from './model-codec.js';
export {
  AttributeType,
  DataType,
  int64,
  type AttributeProto,
  type GraphProto,
  type Int64,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type TypeProto,
  type ValueInfoProto,
} from './onnx-types.js';
export { addsModel, centredModel, constantModel, constantRowsModel, echoModel, float16Model, slowAddsModel } from './sample-models.js';
export { describeType, signatureOf, type Datatype, type ModelSignature, type OtherSignature, type TensorSignature } from './signature.js';
export { classesOf, stripZipMap } from './strip-zip-map.js';
export { widenHalfPrecision } from './widen-half-precision.js';
export { assembleRows, type AssembledRows, type RecordedRow, type Truth } from './optimize/assemble-rows.js';
export { OutputComparison, type Differences } from './optimize/compare-outputs.js';
export type { AgainstTruth } from './optimize/compare-truth.js';
export { gate, GATE_DEFAULTS, percent, type GateFailure, type GateThresholds } from './optimize/gate.js';
export { measureModels, type MeasureOptions, type Measurement, type ModelCost } from './optimize/measure-models.js';
export {
  countRows,
  emptyRowData,
  isRowDatatype,
  takeRows,
  type LoadedModel,
  type RowData,
  type RowDatatype,
  type Rows,
} from './optimize/model-rows.js';
export {
  OPTIMIZATION_METADATA,
  optimizeModel,
  type Optimized,
  type OptimizeOutcome,
  type OptimizeRejection,
  type OptimizeStep,
} from './optimize/optimize-model.js';
export { randomRows } from './optimize/random-rows.js';
export { portableGraph, type PortableGraph, type PortableOutcome, type PortableRejection } from './optimize/portable-graph.js';
