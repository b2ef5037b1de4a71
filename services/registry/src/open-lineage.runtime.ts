import { decisionsTopic } from '@millrace/contracts';
import type { EventLog } from '@millrace/event-log';
import type { Clock, Scheduler } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import {
  atLeast,
  awaitPosition,
  decisionReader,
  StoredCheckpoints,
  tableBarrier,
  type Config,
  type DomainLog,
  type Lifecycle,
  type LogConsumers,
} from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { openLineageRoutes } from './api/rest/open-lineage.routes.js';
import { registryConfig } from './config.js';
import type { LineageEvent } from './queries/open-lineage-events.js';
import { lineageAfter, lineagePage } from './queries/open-lineage.query.js';
import { OpenLineageReactor, type Delivered } from './reactors/open-lineage.reactor.js';

export interface OpenLineageHost {
  readonly domain: DomainLog;
  readonly log: EventLog;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly consumers: LogConsumers;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly config: Config;
  readonly logger: Logger;
}

const DOMAINS = ['tracking', 'features', 'registry', 'resources'] as const;
const [REGISTRY, TRACKING] = [decisionsTopic('registry'), decisionsTopic('tracking')] as [string, string];
const TABLE_WAIT_MS = 2000;
const SEND_TIMEOUT_MS = 10_000;
/** Answers that say something of the receiver or the way to it, not of the event. */
const PASSING = new Set([401, 403, 404, 405, 408, 425, 429]);

/** Opens the events' endpoint, and sends them where the configuration says so. */
export async function openOpenLineage(host: OpenLineageHost): Promise<(scope: FastifyInstance) => void> {
  const { domain, log, offline, scheduler, clock, config } = host;
  const { openLineageUrl, openLineageNamespace } = config.of(registryConfig);
  const namespace = openLineageNamespace ?? `millrace://${config.workspace}`;
  const reactor = openLineageUrl === undefined ? undefined : await startReactor(host, openLineageUrl, namespace);
  return (scope) =>
    openLineageRoutes(scope, {
      page: (limit, token) => lineagePage(offline, namespace, limit, token),
      delivery: () => reactor?.status(),
      upToDate: async (request) => {
        if (atLeast(request).length > 0) await awaitPosition(request, domain);
        await domain.table?.barrier(config.queryDeadlineMs);
        const fresh = { log, store: offline, scheduler, now: () => clock.now() };
        await Promise.all(DOMAINS.map((one) => tableBarrier(fresh, decisionsTopic(one), 'millrace.decisions', TABLE_WAIT_MS)));
      },
    });
}

async function startReactor(host: OpenLineageHost, url: string, namespace: string): Promise<OpenLineageReactor> {
  const { log, online, offline, consumers, lifecycle, clock, scheduler, config, logger } = host;
  const { openLineageApiKey } = config.of(registryConfig);
  const checkpoints = new StoredCheckpoints(online);
  const fresh = { log, store: offline, scheduler, now: () => clock.now() };
  const owners = new Map<string, { assigned(): readonly number[] }>();
  for (const domain of DOMAINS) {
    const topic = decisionsTopic(domain);
    const name = `registry.open-lineage.${domain}`;
    // Shares out the partitions among processes, nothing else: which decisions were accepted the table says.
    const consumer = await consumers.add({
      ...{ name, topic, shared: true, mustCatchUp: false, writesDeadLetters: false, decode: decisionReader(domain) },
      from: (partition: number) => checkpoints.next(name, topic, partition),
      handle: async () => ({ kind: 'ok' as const }),
    });
    owners.set(topic, consumer);
  }
  const consumerOf = (topic: string): string => `registry.open-lineage.${topic.split('.')[1]}`;
  const reactor = new OpenLineageReactor({
    topics: [...owners.keys()],
    assigned: (topic) => owners.get(topic)?.assigned() ?? [],
    position: (topic, partition) => checkpoints.next(consumerOf(topic), topic, partition),
    save: (topic, partition, next) => checkpoints.save(consumerOf(topic), topic, partition, next),
    read: async (topic, partition, from, limit) => {
      // A version looks back to its run, which another service projects: what was decided before has to be there before.
      if (topic === REGISTRY) await tableBarrier(fresh, TRACKING, 'millrace.decisions', TABLE_WAIT_MS);
      return lineageAfter(offline, namespace, topic, partition, from, limit);
    },
    send: (event) => send(url, openLineageApiKey, event),
    clock,
    scheduler,
    onTrouble: ({ kind, reason, eventId }) => logger.warn({ kind, reason, eventId }, 'an OpenLineage event was not taken'),
  });
  lifecycle.add('consumers', 'registry.open-lineage', () => reactor.stop());
  reactor.start();
  return reactor;
}

/** Posts an event. Its id goes along, so that a receiver can tell one that comes again. */
async function send(url: string, apiKey: string | undefined, { id, body }: LineageEvent): Promise<Delivered> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': id,
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
    });
    if (response.ok) {
      await response.body?.cancel();
      return { kind: 'taken' };
    }
    const text = (await response.text()).slice(0, 300);
    const reason = `the receiver answered ${response.status}${text === '' ? '' : `: ${text}`}`;
    return { kind: response.status >= 500 || PASSING.has(response.status) ? 'failed' : 'refused', reason };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { kind: 'failed', reason: `the receiver cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}` };
  }
}
