import { z } from 'zod';
import { duration, flag, integer, pathPrefix, port, size, url, urls, variable, type ConfigGroup, type ValuesOf } from './variable.js';

const text = z.string();
const optional = text.optional();

const isPort = (digits: string): boolean => Number(digits) >= 1 && Number(digits) <= 65_535;

const hosts = text
  .transform((value) =>
    value
      .split(',')
      .map((host) => host.trim())
      .filter((host) => host !== ''),
  )
  .refine(
    (list) =>
      list.length > 0 &&
      list.every((host) => /^([^\s:]+|\[[0-9a-fA-F:]+\]):\d+$/.test(host) && isPort(host.slice(host.lastIndexOf(':') + 1))),
    {
      error: () => 'is not a list of host:port, separated by commas',
    },
  );

const paths = text.transform((value) =>
  value
    .split(',')
    .map((path) => path.trim())
    .filter((path) => path !== ''),
);

/** The variables every process of Millrace understands. */
const variables = {
  dataDir: variable(
    'MILLRACE_DATA_DIR',
    text.default('.millrace'),
    'Folder of the embedded log, state, offline store and artifacts. One process at a time.',
  ),
  host: variable(
    'MILLRACE_HOST',
    text.default('127.0.0.1'),
    'Address to listen on. Beyond loopback everybody has to show a key, unless `MILLRACE_AUTH` says otherwise.',
  ),
  port: variable('MILLRACE_PORT', port(8080), 'HTTP: every protocol, by path. 0 picks a free port.'),
  pathPrefix: variable(
    'MILLRACE_PATH_PREFIX',
    pathPrefix().optional(),
    'Path below which a proxy shows this server and which it does not take away, e.g. `/millrace`. Requests without it are answered as well.',
  ),
  clickhousePort: variable(
    'MILLRACE_CLICKHOUSE_PORT',
    port(8123),
    'Embedded offline store: ClickHouse HTTP for analysts, read-only. 0 picks a free port.',
  ),
  grpcPort: variable(
    'MILLRACE_GRPC_PORT',
    port(8081),
    'gRPC of the Open Inference Protocol, where the inference service runs. 0 picks a free port.',
  ),
  grpcTlsCert: variable(
    'MILLRACE_GRPC_TLS_CERT',
    optional,
    'PEM file of the gRPC port’s certificate, with those it rests on; set: the port speaks TLS. Looked at every 30 s, so an exchange takes no restart.',
  ),
  grpcTlsKey: variable('MILLRACE_GRPC_TLS_KEY', optional, 'PEM file of that certificate’s key, without a passphrase.'),
  grpcTlsClientCa: variable(
    'MILLRACE_GRPC_TLS_CLIENT_CA',
    optional,
    'PEM file of the authorities that sign gRPC clients’ certificates; set: a client has to show one (mutual TLS).',
  ),

  auth: variable(
    'MILLRACE_AUTH',
    z.enum(['auto', 'required', 'off'], { error: () => 'is not one of auto, required, off' }).default('auto'),
    'Whether requests have to show a key or token: `required`, `off`, or `auto`: required unless only this machine can reach the process.',
  ),
  adminKey: variable(
    'MILLRACE_ADMIN_KEY',
    text.regex(/^[\x21-\x7e]{24,200}$/, { error: () => 'is not 24 to 200 visible ASCII characters without spaces' }).optional(),
    'A key that is admin for as long as this is set. Not set: the first key is made at the first start, and shown once on standard error.',
    { secret: true },
  ),
  workspace: variable(
    'MILLRACE_WORKSPACE',
    text
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, { error: () => 'is not a name of letters, digits, ".", "_" and "-"' })
      .default('default'),
    'Name of what this deployment holds; roles are given per workspace.',
  ),
  oidcIssuer: variable('MILLRACE_OIDC_ISSUER', url('http:', 'https:').optional(), 'Issuer of OIDC tokens, as their claim `iss` has it.'),
  oidcAudience: variable('MILLRACE_OIDC_AUDIENCE', optional, 'Audience the tokens have to name, their claim `aud`.'),
  oidcJwksUrl: variable('MILLRACE_OIDC_JWKS_URL', url('http:', 'https:').optional(), 'Where the issuer publishes its keys (JWKS).'),
  oidcRolesClaim: variable(
    'MILLRACE_OIDC_ROLES_CLAIM',
    text.default('roles'),
    'Claim that lists roles, `editor` or `<workspace>:editor`; dots go into objects: `realm_access.roles`.',
  ),
  oidcActorClaim: variable('MILLRACE_OIDC_ACTOR_CLAIM', text.default('sub'), 'Claim that names who acts, e.g. `email`.'),
  metricsAuth: variable('MILLRACE_METRICS_AUTH', flag(false), 'Ask who reads `/metrics` as well.'),

  kafkaBrokers: variable(
    'MILLRACE_KAFKA_BROKERS',
    hosts.optional(),
    'Kafka brokers, `host:port` separated by commas. Set: Kafka is the log. Not set: the embedded log. While none can be reached, appends and commands are refused (503) after 5 s.',
  ),
  kafkaTls: variable('MILLRACE_KAFKA_TLS', flag(false), 'Speak TLS to the brokers.'),
  kafkaTlsCa: variable('MILLRACE_KAFKA_TLS_CA', optional, 'PEM file of the authorities that sign the brokers’ certificates.'),
  kafkaTlsCert: variable('MILLRACE_KAFKA_TLS_CERT', optional, 'PEM file of our certificate, for brokers that ask for one.'),
  kafkaTlsKey: variable('MILLRACE_KAFKA_TLS_KEY', optional, 'PEM file of our certificate’s key.'),
  kafkaSaslMechanism: variable(
    'MILLRACE_KAFKA_SASL_MECHANISM',
    z.enum(['plain', 'scram-sha-256', 'scram-sha-512'], { error: () => 'is not one of plain, scram-sha-256, scram-sha-512' }).optional(),
    '`plain`, `scram-sha-256` or `scram-sha-512`.',
  ),
  kafkaSaslUsername: variable('MILLRACE_KAFKA_SASL_USERNAME', optional, 'User name for SASL.'),
  kafkaSaslPassword: variable('MILLRACE_KAFKA_SASL_PASSWORD', optional, 'Password for SASL.', { secret: true }),
  kafkaReplication: variable(
    'MILLRACE_KAFKA_REPLICATION',
    integer(1, 32).optional(),
    'Copies of the topics we create. Not set: three, or one per broker when there are fewer.',
  ),

  redisUrl: variable(
    'MILLRACE_REDIS_URL',
    url('redis:', 'rediss:').optional(),
    'Set: Redis is the online store. Not set: the embedded store. While Redis is away, reads of features are refused (503) after a second; writes wait.',
  ),
  clickhouseUrl: variable(
    'MILLRACE_CLICKHOUSE_URL',
    url('http:', 'https:').optional(),
    'Set: a ClickHouse server is the offline store. Not set: ClickHouse in this process.',
  ),
  clickhouseUser: variable('MILLRACE_CLICKHOUSE_USER', text.default('default'), 'User at the ClickHouse server.'),
  clickhousePassword: variable('MILLRACE_CLICKHOUSE_PASSWORD', text.default(''), 'Password at the ClickHouse server.', { secret: true }),

  artifacts: variable(
    'MILLRACE_ARTIFACTS',
    text
      .refine((value) => /^file:.+/.test(value) || /^s3:\/\/[^/]+/.test(value), {
        error: () => 'is neither file:<folder> nor s3://bucket/prefix',
      })
      .optional(),
    'Where files live: `file:<folder>` or `s3://bucket/prefix`. Not set: `artifacts` under the data folder.',
  ),
  s3Endpoint: variable('MILLRACE_S3_ENDPOINT', url('http:', 'https:').optional(), 'Address of an S3-compatible server; not set: AWS.'),
  s3Region: variable('MILLRACE_S3_REGION', text.default('us-east-1'), 'S3 region.'),
  s3AccessKeyId: variable('MILLRACE_S3_ACCESS_KEY_ID', optional, 'S3 credentials; not set: the AWS SDK’s own chain.'),
  s3SecretAccessKey: variable('MILLRACE_S3_SECRET_ACCESS_KEY', optional, 'S3 credentials.', { secret: true }),
  s3PathStyle: variable(
    'MILLRACE_S3_PATH_STYLE',
    flag(true),
    'Bucket in the path rather than in the host name; what most S3-compatible servers need.',
  ),

  signingKey: variable(
    'MILLRACE_SIGNING_KEY',
    optional,
    'PEM file of the private key that signs model versions: EC P-256, P-384 or P-521, or Ed25519. Not set: an embedded process makes one in its data folder; others do not sign.',
  ),
  trustedKeys: variable(
    'MILLRACE_TRUSTED_KEYS',
    paths.optional(),
    'PEM files of the public keys whose signatures the inference gateway believes, separated by commas. Not set: that of the signing key.',
  ),
  signatures: variable(
    'MILLRACE_SIGNATURES',
    z.enum(['verify', 'required'], { error: () => 'is not one of verify, required' }).default('verify'),
    'What the inference gateway asks of a model version: `verify`: what is signed has to be rightly signed; `required`: nothing is served unsigned.',
  ),

  testing: variable(
    'MILLRACE_TESTING',
    z
      .enum(['0', '1'], { error: () => 'is neither 0 nor 1' })
      .default('0')
      .transform((value) => value === '1'),
    '1: `POST /api/v1/testing/reset` empties everything, for whoever asks. For tests against the embedded log; nowhere else.',
  ),

  logLevel: variable(
    'MILLRACE_LOG_LEVEL',
    z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
        error: () => 'is not one of trace, debug, info, warn, error, fatal, silent',
      })
      .default('info'),
    'Least level that is logged: `trace`, `debug`, `info`, `warn`, `error`, `fatal`, `silent`.',
  ),
  otlpEndpoint: variable(
    'MILLRACE_OTLP_ENDPOINT',
    url('http:', 'https:').optional(),
    'OTLP/HTTP collector for traces, e.g. `http://127.0.0.1:4318`. Not set: no tracing.',
  ),
  traceRatio: variable(
    'MILLRACE_TRACE_RATIO',
    text
      .default('1')
      .transform(Number)
      .refine((value) => value >= 0 && value <= 1, { error: () => 'is not a number from 0 to 1' }),
    'Share of new traces that are recorded; a request that comes with a trace keeps its own choice.',
  ),

  trackingUrl: variable(
    'MILLRACE_TRACKING_URL',
    urls('http:').optional(),
    'Where the router finds the tracking service; several replicas separated by commas take turns.',
  ),
  registryUrl: variable(
    'MILLRACE_REGISTRY_URL',
    urls('http:').optional(),
    'Where the router finds the registry; several replicas separated by commas take turns.',
  ),
  featuresUrl: variable(
    'MILLRACE_FEATURES_URL',
    urls('http:').optional(),
    'Where the router finds the features service; several replicas separated by commas take turns.',
  ),
  inferenceUrl: variable(
    'MILLRACE_INFERENCE_URL',
    urls('http:').optional(),
    'Where the router finds the inference gateway; several replicas separated by commas take turns.',
  ),
  experimentationUrl: variable(
    'MILLRACE_EXPERIMENTATION_URL',
    urls('http:').optional(),
    'Where the router finds the experimentation service; several replicas separated by commas take turns.',
  ),

  maxBodyBytes: variable('MILLRACE_MAX_BODY', size('32MiB'), 'Largest request body; files are streamed and not bound by it. Beyond: 413.'),
  maxHeaderBytes: variable('MILLRACE_MAX_HEADERS', size('32KiB'), 'Largest request head. Beyond: 431.'),
  maxInFlight: variable(
    'MILLRACE_MAX_IN_FLIGHT',
    integer(1, 1_000_000, 1024),
    'Requests answered at the same time. Beyond: 503 with Retry-After.',
  ),
  headersTimeoutMs: variable('MILLRACE_HEADERS_TIMEOUT', duration('20s'), 'Time a client has to send a request’s head.'),
  requestTimeoutMs: variable('MILLRACE_REQUEST_TIMEOUT', duration('5m'), 'Time a client has to send a whole request.'),
  keepAliveTimeoutMs: variable(
    'MILLRACE_KEEP_ALIVE_TIMEOUT',
    duration('75s'),
    'How long an idle connection is kept; longer than that of a balancer in front.',
  ),
  commandDeadlineMs: variable(
    'MILLRACE_COMMAND_DEADLINE',
    duration('10s', { least: '1ms' }),
    'Time a command has; then 504, its effect may still come.',
  ),
  queryDeadlineMs: variable(
    'MILLRACE_QUERY_DEADLINE',
    duration('10s', { least: '1ms' }),
    'Time a query waits for its projection to reach a position; then 504.',
  ),
  connectDeadlineMs: variable(
    'MILLRACE_CONNECT_DEADLINE',
    duration('1m'),
    'How long a start tries to reach the log and the stores before it gives up.',
  ),
  drainMs: variable(
    'MILLRACE_DRAIN',
    duration('0ms', { most: '1d' }),
    'How long a process that is told to end goes on answering while it says it is not ready, so that balancers stop sending to it. `MILLRACE_SHUTDOWN_DEADLINE` counts from then. At most `1d`.',
  ),
  shutdownDeadlineMs: variable(
    'MILLRACE_SHUTDOWN_DEADLINE',
    duration('30s', { least: '1ms', most: '1d' }),
    'How long a stop may take before it is cut short. At most `1d`.',
  ),
} as const;

function check(values: ValuesOf<typeof variables>): readonly string[] {
  const problems: string[] = [];
  if (values.requestTimeoutMs > 0 && values.headersTimeoutMs > values.requestTimeoutMs) {
    problems.push('MILLRACE_HEADERS_TIMEOUT is longer than MILLRACE_REQUEST_TIMEOUT, which the head is a part of');
  }
  if (values.kafkaSaslMechanism && (values.kafkaSaslUsername === undefined || values.kafkaSaslPassword === undefined)) {
    problems.push('MILLRACE_KAFKA_SASL_MECHANISM is set, so MILLRACE_KAFKA_SASL_USERNAME and MILLRACE_KAFKA_SASL_PASSWORD have to be');
  }
  if (!values.kafkaSaslMechanism && values.kafkaSaslUsername !== undefined) {
    problems.push('MILLRACE_KAFKA_SASL_USERNAME is set, so MILLRACE_KAFKA_SASL_MECHANISM has to be');
  }
  if (!values.kafkaTls && (values.kafkaTlsCa ?? values.kafkaTlsCert ?? values.kafkaTlsKey) !== undefined) {
    problems.push('MILLRACE_KAFKA_TLS_* files are given, but MILLRACE_KAFKA_TLS is not true');
  }
  if ((values.kafkaTlsCert === undefined) !== (values.kafkaTlsKey === undefined)) {
    problems.push('MILLRACE_KAFKA_TLS_CERT and MILLRACE_KAFKA_TLS_KEY go together');
  }
  if ((values.grpcTlsCert === undefined) !== (values.grpcTlsKey === undefined)) {
    problems.push('MILLRACE_GRPC_TLS_CERT and MILLRACE_GRPC_TLS_KEY go together');
  }
  if (values.grpcTlsClientCa !== undefined && values.grpcTlsCert === undefined) {
    problems.push('MILLRACE_GRPC_TLS_CLIENT_CA is set, so MILLRACE_GRPC_TLS_CERT and MILLRACE_GRPC_TLS_KEY have to be');
  }
  if ((values.s3AccessKeyId === undefined) !== (values.s3SecretAccessKey === undefined)) {
    problems.push('MILLRACE_S3_ACCESS_KEY_ID and MILLRACE_S3_SECRET_ACCESS_KEY go together');
  }
  const isKeyless = values.trustedKeys === undefined && values.signingKey === undefined && values.kafkaBrokers !== undefined;
  if (values.signatures === 'required' && isKeyless) {
    problems.push('MILLRACE_SIGNATURES is required, so MILLRACE_TRUSTED_KEYS has to name the keys that are believed');
  }
  const oidc = [values.oidcIssuer, values.oidcAudience, values.oidcJwksUrl];
  if (oidc.some((value) => value === undefined) && oidc.some((value) => value !== undefined)) {
    problems.push('MILLRACE_OIDC_ISSUER, MILLRACE_OIDC_AUDIENCE and MILLRACE_OIDC_JWKS_URL go together');
  }
  return problems;
}

export const kitConfig: ConfigGroup<typeof variables> = { name: '', variables, check };
