export { safeArtifactPath, sendArtifactFile } from './artifact-files.js';
export { artifactOwners, proxiedArtifactPath } from './artifact-uri.js';
export { decodedSafely } from './decoded.js';
export { isOldClient } from './client-line.js';
export { Fields, jsonDouble, QueryFields, type FieldValues } from './fields.js';
export {
  isAttribute,
  isNullTest,
  isOfTag,
  LISTED_COMPARATORS,
  matchesNumber,
  matchesText,
  NUMERIC_COMPARATORS,
  optionalTextTest,
  parseFilter,
  TEXT_COMPARATORS,
  type AnyComparator,
  type Comparator,
  type FilterClause,
  type FilterValue,
} from './filter.js';
export { invalid, isMlflowError, MlflowError, MLFLOW_STATUS, type MlflowErrorCode } from './mlflow-error.js';
export { checkEntityName, checkLength, cutTo } from './names.js';
export { parseOrderBy, type OrderClause } from './order-by.js';
export { cursorOf, cursorToken, offsetOf, pageAfter, pageToken, type Cursor, type Page } from './page-token.js';
export { pythonJson } from './python-json.js';
export {
  registerMlflowRoutes,
  registerUnknownMlflowPaths,
  sendMlflowError,
  type MlflowCall,
  type MlflowRoute,
  type MlflowRoutesOptions,
} from './routes.js';
