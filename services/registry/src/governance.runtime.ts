import type { ArtifactStore } from '@millrace/artifact-store';
import { decisionsTopic, DOMAINS, TOPICS } from '@millrace/contracts';
import type { EventLog } from '@millrace/event-log';
import type { Clock, Ids, Scheduler } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';
import {
  atLeast,
  awaitPosition,
  commandMetadata,
  sendPosition,
  tableBarrier,
  type DomainLog,
  type Lifecycle,
  type Resources,
} from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { auditRoutes } from './api/rest/audit.routes.js';
import type { GovernanceApi } from './api/rest/context.js';
import { governanceRoutes } from './api/rest/governance.routes.js';
import { lineageRoutes } from './api/rest/lineage.routes.js';
import { cardFacts } from './commands/card-facts.js';
import { CheckEvaluator } from './commands/check-evaluator.js';
import { GovernanceCommands } from './commands/governance-commands.js';
import { lineageSource } from './commands/lineage-source.js';
import { ModelInspector } from './commands/model-inspector.js';
import type { Policies } from './commands/policies.js';
import { runFactsOf, trackedArtifacts, type RunFacts } from './commands/run-artifacts.js';
import { auditPage, auditTrail, deletedModels, modelsNamed, type AuditFilter } from './queries/audit.query.js';
import { featureVector } from './queries/feature-vector.js';
import { lineageOf } from './queries/lineage.query.js';
import { modelCard, type ModelCard } from './queries/model-card.js';
import type { RegistryView, VersionView } from './queries/registry-view.js';
import { latestMetric, runValues, storedSequence } from './queries/run-values.query.js';
import { servingVerdict } from './queries/serving-verdict.query.js';
import { PromotionsReactor } from './reactors/promotions.reactor.js';

export interface GovernanceHost {
  readonly domain: DomainLog;
  readonly tracking: DomainLog;
  readonly resources: Resources;
  readonly policies: Policies;
  readonly view: RegistryView;
  readonly log: EventLog;
  readonly offline: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  readonly queryDeadlineMs: number;
  readonly signedBy: (version: VersionView) => string | null;
}

/** Tables of other services say how fresh they are only by what they hold; a card or a check does not wait for them for long. */
const FOREIGN_TABLE_WAIT_MS = 5000;
const FOREIGN_TABLE_POLL_MS = 50;

/** Opens promotion requests, checks, cards and the audit trail: the commands, and the routes over them. */
export function openGovernance(host: GovernanceHost): { commands: GovernanceCommands; routes: (scope: FastifyInstance) => void } {
  const { domain, tracking, resources, policies, view, log, offline, clock, ids, scheduler, logger } = host;
  const inspector = new ModelInspector(host.artifacts);
  const tracked = trackedArtifacts(tracking);
  const run = async (runId: string): Promise<RunFacts | undefined> => {
    await tracking.barrier();
    return runFactsOf(tracking, runId);
  };
  const fresh = (topic: string, table: string, waitMs = FOREIGN_TABLE_WAIT_MS): Promise<boolean> =>
    tableBarrier({ log, store: offline, scheduler, now: () => clock.now() }, topic, table, waitMs);
  const metrics = (): Promise<boolean> => fresh(TOPICS.metricPoints.name, 'millrace.metric_points');
  /** The table of runs has no row for every decision, so what is waited for is the run's own row. */
  const runStored = async (asked: { runId: string; experimentId: string }): Promise<void> => {
    const { sequence } = tracking.replica.subject(`run/${asked.runId}`);
    const deadline = clock.now() + FOREIGN_TABLE_WAIT_MS;
    while ((await storedSequence(offline, asked)) < sequence && clock.now() < deadline) {
      await new Promise<void>((resolve) => void scheduler.after(FOREIGN_TABLE_POLL_MS, resolve));
    }
  };
  const card = async (version: VersionView): Promise<ModelCard> =>
    modelCard(
      await cardFacts(
        {
          view,
          catalog: resources.catalog,
          run,
          values: async (asked) => {
            await Promise.all([metrics(), runStored(asked)]);
            return runValues(offline, asked);
          },
          modelInterface: (one) => inspector.inspect(one),
          signedBy: host.signedBy,
        },
        version,
      ),
    );
  const evaluator = new CheckEvaluator(policies, view, {
    run,
    loggedModel: (modelId) => tracked.ofLoggedModel(modelId),
    metric: async (key, runs) => {
      await metrics();
      return latestMetric(offline, key, runs);
    },
    card,
    modelInterface: (version) => inspector.inspect(version),
    serving: async (modelId, version) => {
      // Where no gateway has ever run there is neither topic nor table.
      if ((await log.partitions(TOPICS.servingChecks.name)) === undefined) return undefined;
      await fresh(TOPICS.servingChecks.name, 'millrace.serving_checks');
      return servingVerdict(offline, modelId, version);
    },
    vector: (featureService) => featureVector(resources.catalog, featureService),
  });
  const commands = new GovernanceCommands(domain, view, policies, evaluator, ids);
  const reactor = new PromotionsReactor({
    view,
    rules: (model) => policies.rulesNow(model),
    commands,
    clock,
    scheduler,
    onFault: (error) => logger.warn({ err: error }, 'an open promotion request could not be looked at; trying again'),
  });
  host.lifecycle.add('consumers', 'registry.promotions', () => reactor.stop());
  reactor.start();
  const api: GovernanceApi = {
    commands,
    view,
    rules: (model) => policies.rulesNow(model),
    card,
    audit: {
      page: async (filter, limit, pageToken) => {
        await Promise.all([tables(), others(filter)]);
        return auditPage(offline, filter, limit, pageToken);
      },
      trail: async function* (filter) {
        await Promise.all([tables(), others(filter)]);
        yield* auditTrail(offline, filter);
      },
      named: async (name) => {
        await tables();
        return modelsNamed(offline, name);
      },
      deleted: async () => {
        await tables();
        return deletedModels(offline);
      },
    },
    upToDate: (request) => upToDate(request),
    metadata: (request) => commandMetadata(request, clock, ids),
    sendPosition,
    now: () => clock.now(),
  };

  /** The trail holds all that this service and the resources have decided. */
  async function tables(): Promise<void> {
    await Promise.all([domain.table?.barrier(host.queryDeadlineMs), resources.log.table?.barrier(host.queryDeadlineMs)]);
  }

  /** And what the other domains have, as far as it is asked for: an export that lacks the last revocation of a key would be believed. */
  async function others({ domain: asked, models }: AuditFilter): Promise<void> {
    if (models !== undefined) return;
    const projected = DOMAINS.filter((one) => one !== domain.domain && one !== resources.log.domain);
    const wanted = projected.filter((one) => asked === undefined || one === asked);
    await Promise.all(wanted.map((one) => fresh(decisionsTopic(one), 'millrace.decisions', host.queryDeadlineMs)));
  }

  async function upToDate(request: FastifyRequest): Promise<void> {
    if (atLeast(request).length > 0) await awaitPosition(request, domain, resources.log);
    else await Promise.all([view.upToDate(), resources.log.barrier()]);
  }

  const routes = (scope: FastifyInstance): void => {
    governanceRoutes(scope, api);
    auditRoutes(scope, api);
    lineageRoutes(scope, {
      upToDate: async (request) => {
        await Promise.all([upToDate(request), tracking.barrier(), fresh(decisionsTopic('features'), 'millrace.decisions')]);
      },
      lineage: (node, direction, depth) =>
        lineageOf(lineageSource({ view, tracking, catalog: resources.catalog, offline }), node, direction, depth),
    });
  };
  return { commands, routes };
}
