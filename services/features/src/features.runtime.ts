import type { ArtifactStore } from '@millrace/artifact-store';
import { TOPICS } from '@millrace/contracts';
import type { EventLog } from '@millrace/event-log';
import { OnlineReader, StandingStates, type ViewPlan } from '@millrace/feature-engine';
import type { Clock, CommandMetadata, Ids, Position, Scheduler } from '@millrace/kernel';
import { migrate, offlineStoreMigrations, ScratchTables, tableExists, type OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import {
  tableBarrier,
  type Config,
  type DomainLog,
  type DomainLogs,
  type Facts,
  type Health,
  type Lifecycle,
  type LogConsumers,
  type Resources,
  type TableProjections,
  type Topics,
} from '@millrace/service';
import type { Logger } from 'pino';
import { AnalystViews } from './analysts/analyst-views.js';
import { featuresConfig } from './config.js';
import { FeatureDefinitions, type Source } from './definitions/feature-definitions.js';
import { MATERIALIZATION, materialization } from './domain/materialization/materialization.decider.js';
import { TRAINING_SET, trainingSet } from './domain/training-set/training-set.decider.js';
import { Materializations, type Asked } from './materialization/materializations.js';
import { materializeSources } from './materialization/materialize-sources.js';
import { FeaturesMetrics } from './metrics.js';
import { materializationStatus } from './queries/materialization-status.query.js';
import { sourceStatus, type SourceStatus } from './queries/source-status.query.js';
import { openReadLog } from './reads/open-read-log.js';
import type { ReadLog } from './reads/read-log.js';
import { EventIntake } from './sources/event-intake.js';
import type { SourceReader } from './sources/source-record.js';
import { rejectionKind } from './sources/rejection-kind.js';
import { fingerprintOf, tableProjectionName } from './sources/running-source.js';
import { sourceTable } from './sources/source-table.js';
import { Sources } from './sources/sources.js';
import { PREDICTIONS_TABLE } from './statistics/served-statistics.js';
import { Statistics } from './statistics/statistics.js';
import { TrainingSets } from './training-sets/training-sets.js';
import type { ServedFor, VectorSelection } from './verification/served-vectors.js';
import { ScheduledVerification, type VerificationReport } from './verification/scheduled-verification.js';
import { verifyServed, type Verification } from './verification/verify-served.js';

/** What the service stands on. */
export interface FeaturesHost {
  readonly domainLogs: DomainLogs;
  readonly resources: Resources;
  readonly topics: Topics;
  readonly facts: Facts;
  readonly consumers: LogConsumers;
  readonly tables: TableProjections;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
  readonly log: EventLog;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly scheduler: Scheduler;
  readonly config: Config;
  readonly metrics: FeaturesMetrics;
  readonly logger: Logger;
}

/** What the endpoints are made of. */
export interface Features {
  readonly definitions: FeatureDefinitions;
  readonly sources: Sources;
  readonly reader: OnlineReader;
  readonly readLog: ReadLog;
  readonly intake: EventIntake;
  readonly readerOf: (source: string) => Promise<SourceReader | undefined>;
  readonly statusOf: (source: string) => Promise<SourceStatus | undefined>;
  readonly waitForOnline: (views: readonly ViewPlan[], position: Position) => Promise<void>;
  /**
   * Reads an interval of the rows that these views' sources take from a query, a table or files. Resolves when the online store holds everything
   * that the log holds of the views then.
   */
  readonly materialize: (views: readonly ViewPlan[], asked: Asked, metadata: CommandMetadata) => Promise<void>;
  readonly materializations: Materializations;
  readonly domain: DomainLog;
  readonly trainingSets: TrainingSets;
  readonly statistics: Statistics;
  readonly verify: (selection: VectorSelection) => Promise<Verification>;
  /** What the last scheduled check found. */
  readonly lastVerification: () => VerificationReport | undefined;
}

const DOMAIN = 'features';

/** Opens the service: follows the feature resources, runs their sources, and answers from what they fill. */
export async function openFeatures(host: FeaturesHost): Promise<Features> {
  const { log, online, offline, consumers, tables, clock, scheduler, resources, health, lifecycle, logger, metrics } = host;
  const config = host.config.of(featuresConfig);
  await migrate(offline, offlineStoreMigrations);
  await migrate(offline, { name: DOMAIN, directory: new URL('./migrations/', import.meta.url) });
  const domain = await host.domainLogs.open({
    domain: DOMAIN,
    aggregates: { [TRAINING_SET]: trainingSet, [MATERIALIZATION]: materialization },
  });
  const definitions = new FeatureDefinitions(resources.catalog, new StandingStates(online));
  const now = (): number => clock.now();
  const failed = (what: string, error: unknown): void => logger.error({ err: error, what }, 'could not be brought in line; trying again');
  const analystViews = new AnalystViews({ store: offline, scheduler, failed });
  const sources = new Sources({
    ...{ log, online, offline, consumers, tables, scheduler, definitions, now },
    owner: host.ids.next(),
    arranged: (running) => {
      const plans = definitions.sources().map(({ plan }) => plan);
      return analystViews.arrange(
        plans.filter(({ name }) => running.has(name)),
        definitions.views(),
      );
    },
    maxAheadMs: config.maxAheadMs,
    maxCachedEvents: config.maxCachedEvents,
    failed,
    judged: {
      refused: (source, reason) => metrics.rejected.inc({ source, via: 'log', reason: rejectionKind(reason) }),
      unexpected: (source, column) => metrics.unexpected.inc({ source, column }),
    },
    observer: {
      applied: (plan, partition, nextOffset) => metrics.applied(plan, partition, nextOffset),
      restarted: (source, reason) => logger.warn({ source, reason }, 'the online projection reads again from the stored checkpoints'),
      failed: (source, view, error) => logger.warn({ err: error, source, view }, 'the online projection has trouble; trying again'),
    },
  });
  lifecycle.add('consumers', 'features.sources', async () => {
    await sources.stop();
    await analystViews.stop();
  });
  health.catchUp('features.sources', () => sources.missing());
  const { readLog, waitForReads } = await openReadLog(host);
  const waitForPredictions = async (deadlineMs: number): Promise<boolean> => {
    // Made by the inference service, which may not have started yet; nothing was served then.
    if (!(await tableExists(offline, PREDICTIONS_TABLE))) return false;
    await tableBarrier({ log, store: offline, scheduler, now }, TOPICS.predictions.name, PREDICTIONS_TABLE, deadlineMs);
    return true;
  };
  const scratch = new ScratchTables(offline, host.ids);
  const readerOf = async (name: string): Promise<SourceReader | undefined> => {
    if (!sources.get(name)) {
      // A source applied a moment ago through another process may still be on its way here.
      await resources.log.barrier(host.config.queryDeadlineMs);
      if (!definitions.source(name)) return undefined;
      await sources.settled(() => sources.get(name) !== undefined, host.config.queryDeadlineMs);
    }
    const running = sources.get(name);
    if (!running) throw sources.notRunning(name);
    return running.reader;
  };
  const trainingSets = new TrainingSets({
    ...{ domain, log, scratch, definitions, sources, readerOf, now },
    store: offline,
    artifacts: host.artifacts,
    ids: host.ids,
    maxRows: config.maxTrainingRows,
    deadlineMs: config.trainingDeadlineMs,
    pause: (milliseconds) => new Promise((resolve) => void scheduler.after(milliseconds, resolve)),
    waitForPredictions: () => waitForPredictions(config.trainingDeadlineMs),
    failed: (id, error) => logger.warn({ err: error, id }, 'a training set could not be built'),
  });
  lifecycle.add('consumers', 'features.training-sets', () => trainingSets.stop());

  const verify = async (selection: VectorSelection): Promise<Verification> => {
    const deadlineMs = host.config.queryDeadlineMs;
    const [hasPredictions] = await Promise.all([waitForPredictions(deadlineMs), waitForReads(deadlineMs)]);
    const served: readonly ServedFor[] = hasPredictions ? ['prediction', 'read'] : ['read'];
    // A definition that served through another process may still be on its way here.
    await resources.log.barrier(deadlineMs);
    const reach = (plan: ViewPlan, next: readonly number[]): Promise<void> => sources.waitForTable(plan.source.topic, next, deadlineMs);
    return verifyServed({ store: offline, scratch, catalog: resources.catalog, served, reach }, selection);
  };
  const checks = new ScheduledVerification({
    everyMs: config.verifyEveryMs,
    ...{ scheduler, now, verify },
    verified: (report) => {
      metrics.verified(report);
      if (report.mismatches > 0) logger.error({ report }, 'defect: served values are not what the offline store tells');
    },
    failed: (error) => {
      metrics.verificationFailures.inc();
      logger.warn({ err: error }, 'what was served could not be verified; the next check takes it as well');
    },
  });
  lifecycle.add('consumers', 'features.verification', () => checks.stop());
  metrics.verifyingFrom(checks.from);
  checks.start();

  const statistics = new Statistics({
    ...{ store: offline, scratch, definitions, sources, scheduler, now, waitForPredictions },
    everyMs: config.statisticsEveryMs,
    sampleRows: config.statisticsSample,
    queryDeadlineMs: host.config.queryDeadlineMs,
    failed: (what, error) => {
      metrics.statisticsFailures.inc();
      logger.warn({ err: error, what }, 'statistics could not be brought up to date; the next round makes up for it');
    },
  });
  lifecycle.add('consumers', 'features.statistics', () => statistics.stop());
  statistics.start();

  const intake = new EventIntake(log, now);
  const materializations = new Materializations({
    ...{ domain, log, scratch, definitions, scheduler, now, intake },
    store: offline,
    artifacts: host.artifacts,
    ids: host.ids,
    roots: config.fileRoots,
    maxFileBytes: config.maxFileBytes,
    maxEventBytes: config.maxEventBytes,
    pageRows: config.materializePageRows,
    deadlineMs: config.materializeDeadlineMs,
    silentForMs: config.materializeSilenceMs,
    // Nobody else writes this process's own tables.
    isAlone: offline.kind === 'chdb',
    readerOf: (source) => readerOfVersion(sources, source, readerOf, host.config.queryDeadlineMs),
    waitForTable: (topic, next) => sources.waitForTable(topic, next, config.materializeDeadlineMs),
    observer: {
      ended: (source, outcome) => metrics.materialized(source, outcome),
      rows: (source, rows) => metrics.materializedRows(source, rows),
      behind: (lags) => metrics.materializationLags(lags),
      failed: (source, error, isTriedAgain) => logger.warn({ err: error, source, isTriedAgain }, 'a materialization has trouble'),
    },
  });
  lifecycle.add('consumers', 'features.materializations', () => materializations.stop());
  void startWhenFolded(host, sources, async () => {
    await scratch.sweep();
    await materializations.start();
    await trainingSets.resume();
  });
  return {
    definitions,
    sources,
    materializations,
    reader: new OnlineReader(online, (topic) => sources.partitionsOf(topic)),
    readLog,
    intake,
    readerOf,
    statusOf: async (name) => {
      if (!(await readerOf(name))) return undefined;
      const { plan, batch } = definitions.source(name) ?? {};
      if (!plan) return undefined;
      const status = await sourceStatus(
        { log, online, definitions },
        {
          name,
          topic: plan.topic,
          table: sourceTable(name),
          consumer: tableProjectionName(name),
          partitions: sources.partitionsOf(plan.topic),
        },
      );
      return batch ? { ...status, materialization: materializationStatus(materializations.state(name)) } : status;
    },
    domain,
    trainingSets,
    statistics,
    verify,
    lastVerification: () => checks.last,
    materialize: async (views, asked, metadata) => {
      const names = [...new Set(views.map((view) => view.source.name))];
      const batch = names.filter((name) => definitions.source(name)?.batch !== undefined);
      await materializeSources(materializations, batch, asked, metadata, { now, deadlineMs: config.materializeDeadlineMs });
      // A source that is only being started has no topic to ask yet.
      await Promise.all(names.map(readerOf));
      const topics = [...new Set(views.map((view) => view.source.topic))];
      const ends = await Promise.all(topics.map(async (topic) => ({ topic, end: await log.end(topic) })));
      const positions = ends.flatMap(({ topic, end }) =>
        end.flatMap((next, partition) => (next > 0 ? [{ topic, partition, offset: next - 1 }] : [])),
      );
      await Promise.all(positions.map((position) => sources.waitForOnline(views, position, config.materializeDeadlineMs)));
    },
    waitForOnline: (views, position) => sources.waitForOnline(views, position, host.config.queryDeadlineMs),
  };
}

/** The reader of a source once it runs as it is defined now; throws a retryable fault while it does not. */
async function readerOfVersion(
  sources: Sources,
  source: Source,
  readerOf: (name: string) => Promise<SourceReader | undefined>,
  deadlineMs: number,
): Promise<SourceReader> {
  const { name } = source.plan;
  const isRunning = (): boolean => sources.get(name)?.fingerprint === fingerprintOf(source);
  if (!isRunning()) await sources.settled(isRunning, deadlineMs);
  const reader = await readerOf(name);
  if (!reader || !isRunning()) throw sources.notRunning(name);
  return reader;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** Sources start once the resources are folded to the end of the log as it is now. */
async function startWhenFolded(
  { resources, scheduler, lifecycle, logger }: FeaturesHost,
  sources: Sources,
  then: () => Promise<void>,
): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; !lifecycle.isClosing; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      await resources.log.barrier();
      await sources.start();
      await then();
      return;
    } catch (error) {
      logger.warn({ err: error }, 'the resources are not folded yet; sources wait');
      await new Promise<void>((resolve) => void scheduler.after(pause, resolve));
    }
  }
}
