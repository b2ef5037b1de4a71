export { isGraphOf, readManifest, type EdgeManifest, type EdgeTensor } from './core/manifest.js';
export { Predictor, type EdgeSession } from './core/predictor.js';
export {
  emptyRowData,
  isRowDatatype,
  rowsTensor,
  RUNTIME_TYPES,
  rowValues,
  rowWidth,
  type AskedRow,
  type RowData,
  type RowDatatype,
  type Rows,
} from './core/row-tensors.js';
