export { Access } from './access/access.js';
export { admitCall, ASK_HEADER, callCredentialsEnd, credentialsEnd, requireRole, type AdmittedCall } from './access/access-hook.js';
export { whileAdmitted } from './access/while-admitted.js';
export { isLocalName } from './access/foreign-pages.js';
export { accessSettings } from './access/access-settings.js';
export type { AccessRule, Identity } from './access/identity.js';
export { loadConfig, type Config, type Environment } from './config/config.js';
export { kitConfig } from './config/kit-variables.js';
export { configurationReference } from './config/reference.js';
export {
  defineConfig,
  directories,
  duration,
  flag,
  integer,
  keyText,
  port,
  size,
  text,
  url,
  variable,
  type ConfigGroup,
  type ValuesOf,
  type Variable,
  type Variables,
} from './config/variable.js';
export { ArtifactRecords, type RecordedFile } from './artifacts/artifact-records.js';
export { configuredAdapters, type AdapterContext, type Adapters } from './host/adapters.js';
export { systemClock, systemScheduler } from './host/clock.js';
export { Health, type Check, type Liveness, type Readiness } from './host/health.js';
export { openHost, type Host, type HostOptions } from './host/host.js';
export { HostModule } from './host/host.module.js';
export { SystemIds } from './host/ids.js';
export { Lifecycle, type Phase } from './host/lifecycle.js';
export { StateStores } from './host/state-stores.js';
export { createLogger, type LoggerOptions } from './host/logger.js';
export { crashOnDefects, runMain, runOrExplain, stopOnSignals, tellParent, type StopOptions } from './host/run-main.js';
export { bootstrap, type BootstrapOptions, type RunningService } from './http/bootstrap.js';
export type { Route } from './http/http-server.js';
export { OPENAPI_PATH, servedBelow, type OpenApiDocument } from './http/openapi.js';
export { basePathOf, checkPathPrefix, forwardedPrefix, isPrefix, publicPath, takePrefix } from './http/path-prefix.js';
export {
  anyField,
  countField,
  doubleField,
  enumField,
  flagField,
  jsonOf,
  mapField,
  momentField,
  namedSchema,
  NEXT_PAGE,
  numberField,
  objectOf,
  orNull,
} from './http/answer-schema.js';
export { bodySchema, fieldsOf, listField, textField, timeField, type BodySchema, type JsonSchema } from './http/body-schema.js';
export { AT_LEAST, PAGED, routeDoc, WAIT, type ContentDoc, type QueryDoc, type RouteDoc } from './http/route-doc.js';
export { restReference } from './http/rest-reference.js';
export { PROBLEM_JSON, ProblemError, problemOf, rejectionToProblem, type Problem } from './http/problem.js';
export { ProblemFilter, sendProblem } from './http/problem.filter.js';
export type { HttpReply, HttpRequest } from './http/hot-routes.js';
export type { RawReply } from './http/raw-reply.js';
export { rawRoutes, type AddHotRoute, type RawRoutesOptions } from './http/raw-routes.js';
export { atLeast, awaitPosition, commandMetadata, sendPosition, type PositionReader } from './http/request.js';
export { momentText } from './http/moment.js';
export { compactJson } from './events/compact-json.js';
export { cutPage, LIST_PAGE, limitOf, pageOf, SHORT_PAGE, type PageQuery } from './http/paging.js';
export { waitOf } from './http/wait.js';
export { decisionReader } from './log/decision-reader.js';
export type { DomainLog } from './log/domain-log.js';
export { DomainLogs, type FollowDomain, type OpenDomain } from './log/domain-logs.js';
export { FactBuffer } from './log/fact-buffer.js';
export { Facts, type NewFact } from './log/facts.js';
export { LogConsumers, type AddConsumer } from './log/log-consumers.js';
export { TableProjections, type AddTableProjection, type RunnableProjection } from './log/table-projections.js';
export { Resources } from './log/resources.js';
export { Reset, type ResetPhase } from './reset/reset.js';
export { tableBarrier, type TableBarrierOptions } from './log/table-barrier.js';
export { Topics } from './log/topics.js';
export { openSecretBox, type SecretBox } from './secrets/secret-box.js';
export { signingKeyOf, trustedKeysOf } from './signing/signing-keys.js';
export { HotCounter, HotHistogram } from './telemetry/hot-metrics.js';
export { Metrics } from './telemetry/metrics.js';
export { Telemetry, traceparentOfSpan, validTraceparent, type SpanOptions } from './telemetry/telemetry.js';
export { ARTIFACT_STORE, CLOCK, CONFIG, EVENT_LOG, IDS, LOGGER, METRICS, OFFLINE_STORE, ONLINE_STORE, SCHEDULER } from './tokens.js';
export { LazyCheckpoints, StoredCheckpoints, type Checkpoint } from './transport/checkpoints.js';
export { LOG_TRANSPORT, Projects, Reacts, type HandlerOptions } from './transport/decorators.js';
export { LogTransport } from './transport/log-transport.js';
