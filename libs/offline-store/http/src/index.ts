export { startClickHouseHttp, type ClickHouseHttp, type ClickHouseHttpOptions } from './clickhouse-http.js';
export type { Credentials } from './http-request.js';
export type { QueryLimits } from './query-handler.js';
