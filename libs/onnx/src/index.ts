export { checkModel, type ModelProblem } from './check-model.js';
export { FEATURES_METADATA, logisticRegression, logisticRegressionModel, type LogisticRegression } from './logistic-regression.js';
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
export { describeType, signatureOf, type Datatype, type ModelSignature, type OtherSignature, type TensorSignature } from './signature.js';
export { classesOf, stripZipMap } from './strip-zip-map.js';
export { widenHalfPrecision } from './widen-half-precision.js';
