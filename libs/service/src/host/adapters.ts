import type { ArtifactStore } from '@millrace/artifact-store';
import { FilesystemArtifactStore } from '@millrace/artifact-store-filesystem';
import type { S3ArtifactStore } from '@millrace/artifact-store-s3';
import type { EventLog } from '@millrace/event-log';
import type { KafkaEventLogOptions } from '@millrace/event-log-kafka';
import { Fault, type Clock, type Scheduler, type StateStore } from '@millrace/kernel';
import { openOfflineStore, type OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import { flawOfLmdbFile, LmdbStateStore } from '@millrace/state-store';
import type { Logger } from 'pino';
import { rm } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.js';
import { readNamedFile } from '../config/named-file.js';
import { Sparing } from '../log/sparing.js';
import { connectWithRetries } from './connect.js';
import type { DataDirectory } from './data-directory.js';
import { kafkaVariables } from './kafka-variables.js';
import { makeFolder } from './make-folder.js';

export interface AdapterContext {
  readonly service: string;
  readonly config: Config;
  readonly directory: DataDirectory;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
}

/**
 * How the ports are filled. The configuration chooses; a test may bring its own. An adapter's code, and its driver's, is read when it is chosen: the
 * AWS SDK, Kafka's and Redis' clients are a good part of what a cold start has to compile.
 */
export interface Adapters {
  log(context: AdapterContext): Promise<EventLog>;
  online(context: AdapterContext): Promise<OnlineStore>;
  offline(context: AdapterContext): Promise<OfflineStore>;
  artifacts(context: AdapterContext): Promise<ArtifactStore>;
  /** `version` names the code that folds; a store of another version begins empty. */
  state(context: AdapterContext, name: string, version: string): Promise<StateStore>;
}

/** Neither the log nor the online store is to be given up for pages that nobody needs. */
const SLACK_PAGES = 256;

export const configuredAdapters: Adapters = {
  log: openLog,
  online: openOnline,
  offline: openOffline,
  artifacts: openArtifacts,
  state: openState,
};

async function openOnline({ config, directory, logger }: AdapterContext): Promise<OnlineStore> {
  const { redisUrl, connectDeadlineMs } = config;
  if (redisUrl === undefined) {
    const { LmdbOnlineStore } = await import('@millrace/online-store-lmdb');
    const path = directory.folder('online');
    const flaw = await flawOfLmdbFile(join(path, 'data.mdb'), SLACK_PAGES);
    if (flaw !== undefined) {
      logger.warn({ reason: flaw }, 'the file of the online store is damaged; it begins empty and is filled from the log');
      await rm(path, { recursive: true });
      directory.folder('online');
    }
    const store = await LmdbOnlineStore.open({ path });
    if (store.isAnew) logger.warn('the machine ended while the online store was open; it begins empty and is filled from the log');
    return store;
  }
  const { RedisOnlineStore } = await import('@millrace/online-store-redis');
  const what = `the online store (Redis at ${new URL(redisUrl).host})`;
  return connectWithRetries({ what, variable: 'MILLRACE_REDIS_URL', deadlineMs: connectDeadlineMs, logger }, () =>
    RedisOnlineStore.connect({ url: redisUrl, prefix: 'millrace:' }),
  );
}

async function openArtifacts({ config, directory, logger }: AdapterContext): Promise<ArtifactStore> {
  const { artifacts, connectDeadlineMs } = config;
  if (artifacts === undefined) return FilesystemArtifactStore.open(directory.folder('artifacts'));
  if (artifacts.startsWith('file:')) return openFolder(pathOf(artifacts));
  const store = await s3(artifacts, config);
  const options = {
    what: `the artifact store (${artifacts})`,
    variable: 'MILLRACE_ARTIFACTS and MILLRACE_S3_*',
    deadlineMs: connectDeadlineMs,
    logger,
  };
  await connectWithRetries(options, () => store.ping());
  return store;
}

async function s3(artifacts: string, config: Config): Promise<S3ArtifactStore> {
  const { S3ArtifactStore } = await import('@millrace/artifact-store-s3');
  const { hostname: bucket, pathname } = new URL(artifacts);
  const { s3Endpoint, s3Region, s3PathStyle, s3AccessKeyId, s3SecretAccessKey } = config;
  return new S3ArtifactStore({
    bucket,
    prefix: pathname.replace(/^\/+|\/+$/g, ''),
    client: {
      region: s3Region,
      ...(s3Endpoint === undefined ? {} : { endpoint: s3Endpoint, forcePathStyle: s3PathStyle }),
      ...(s3AccessKeyId === undefined || s3SecretAccessKey === undefined
        ? {}
        : { credentials: { accessKeyId: s3AccessKeyId, secretAccessKey: s3SecretAccessKey } }),
    },
  });
}

async function openFolder(path: string): Promise<ArtifactStore> {
  try {
    makeFolder(path);
    return await FilesystemArtifactStore.open(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Fault('MR_CONFIG', `MILLRACE_ARTIFACTS names a folder that cannot be written to: ${reason}`, false, { cause: error });
  }
}

/** `file:///srv/x` and `file:relative/x`. */
function pathOf(artifacts: string): string {
  if (artifacts.startsWith('file://')) return fileURLToPath(artifacts);
  const path = artifacts.slice('file:'.length);
  return isAbsolute(path) ? path : resolve(path);
}

async function openOffline({ config, directory, logger }: AdapterContext): Promise<OfflineStore> {
  const { clickhouseUrl, clickhouseUser, clickhousePassword, connectDeadlineMs } = config;
  if (clickhouseUrl === undefined) {
    // Queries of chdb hold threads of libuv's pool, so the store has to know how many there are.
    const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
    return openOfflineStore({ path: directory.folder('offline'), threads, timeZone: process.env['TZ'] });
  }
  const what = `the offline store (ClickHouse at ${new URL(clickhouseUrl).host})`;
  return connectWithRetries({ what, variable: 'MILLRACE_CLICKHOUSE_URL', deadlineMs: connectDeadlineMs, logger }, async () => {
    const store = await openOfflineStore({ url: clickhouseUrl, username: clickhouseUser, password: clickhousePassword });
    await store.ping();
    return store;
  });
}

async function openLog(context: AdapterContext): Promise<EventLog> {
  const { config, directory, clock, scheduler, logger } = context;
  const { kafkaBrokers, connectDeadlineMs } = config;
  if (kafkaBrokers === undefined) {
    const { LmdbEventLog } = await import('@millrace/event-log-lmdb');
    const path = join(directory.folder('log'), 'log.mdb');
    const flaw = await flawOfLmdbFile(path, SLACK_PAGES);
    if (flaw !== undefined) {
      throw new Fault(
        'MR_LOG_DAMAGED',
        `the event log ${path} is damaged: ${flaw}. Put it back from a backup; nothing else can make it anew. To begin with an empty log instead, ` +
          'move the folders log, state, online and offline of MILLRACE_DATA_DIR away.',
        false,
      );
    }
    return LmdbEventLog.open({ path, clock, scheduler });
  }
  const { KafkaEventLog } = await import('@millrace/event-log-kafka');
  const what = `the event log (Kafka at ${kafkaBrokers.join(', ')})`;
  const options = { ...kafkaOptions(context), brokers: kafkaBrokers };
  const variable = (error: unknown): string => kafkaVariables(error, config);
  return connectWithRetries({ what, variable, deadlineMs: connectDeadlineMs, logger }, () => KafkaEventLog.connect(options));
}

function kafkaOptions({ config, clock, logger, service }: AdapterContext): Omit<KafkaEventLogOptions, 'brokers'> {
  const { kafkaTls, kafkaTlsCa, kafkaTlsCert, kafkaTlsKey, kafkaSaslMechanism, kafkaSaslUsername, kafkaSaslPassword, kafkaReplication } =
    config;
  const sparing = new Sparing(clock, 1000);
  const file = (name: 'ca' | 'cert' | 'key', path: string | undefined) =>
    path === undefined ? {} : { [name]: readNamedFile(path, `MILLRACE_KAFKA_TLS_${name.toUpperCase()}`) };
  return {
    clientId: `millrace-${service}`,
    ...(kafkaReplication === undefined ? {} : { replicationFactor: kafkaReplication }),
    ...(kafkaTls ? { ssl: { ...file('ca', kafkaTlsCa), ...file('cert', kafkaTlsCert), ...file('key', kafkaTlsKey) } } : {}),
    ...(kafkaSaslMechanism
      ? { sasl: { mechanism: kafkaSaslMechanism, username: kafkaSaslUsername ?? '', password: kafkaSaslPassword ?? '' } }
      : {}),
    onFault: (fault) =>
      sparing.run(fault.code, (unsaid) =>
        logger[fault.retryable ? 'warn' : 'error']({ code: fault.code, reason: fault.message, unsaid }, 'the log has trouble'),
      ),
  };
}

async function openState({ directory, logger }: AdapterContext, name: string, version: string): Promise<StateStore> {
  const store = await LmdbStateStore.open({ path: join(directory.folder('state'), `${name}.mdb`), version });
  if (store.origin === 'damaged') logger.warn({ state: name }, 'the stored state was damaged and is folded again from the log');
  else if (store.origin !== 'kept') logger.info({ state: name, origin: store.origin }, 'state is folded from the start of the log');
  return store;
}
