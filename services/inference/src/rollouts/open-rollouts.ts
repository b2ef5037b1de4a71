import { TOPICS } from '@millrace/contracts';
import type { Clock, Ids } from '@millrace/kernel';
import { awaitPosition, commandMetadata, FactBuffer, type DomainLog } from '@millrace/service';
import type { RolloutRoutesOptions } from '../api/rest/rollouts.routes.js';
import type { ServedModel } from '../models/served-model.js';
import { shadowKeyOf, type ShadowAnswered } from '../domain/prediction/prediction.js';
import { Mirror } from '../gateway/mirror.js';
import type { InferenceHost } from '../inference.runtime.js';
import { RolloutMetrics } from '../metrics.js';
import { decodeShadow, shadowRows } from '../projections/shadow-answers.projection.js';
import { shadowRepeats } from '../projections/shadow-repeats.js';
import { RolloutHistory } from '../queries/rollout-history.query.js';
import type { ArmsNow } from './arms-now.js';
import { Rollouts } from './rollouts.js';
import type { RolloutsInForce } from './rollouts-in-force.js';

export interface OpenRollouts {
  /** The service's decisions. */
  readonly domain: DomainLog;
  readonly inForce: RolloutsInForce;
  readonly arms: ArmsNow;
  readonly modelOf: (reference: string) => ServedModel | undefined;
  /** Other models may have to answer than before. */
  readonly changed: () => void;
  /** Whether this process writes the table of what candidates answered to copies. */
  readonly writesTables: boolean;
}

export interface OpenedRollouts {
  readonly rollouts: Rollouts;
  readonly mirror: Mirror;
  readonly history: RolloutHistory;
  /** What the answers rest on. */
  readonly logs: readonly DomainLog[];
}

/** Shadow facts that may wait for the log; what comes beyond is shed and counted. */
const MOST_BUFFERED = 5_000;
const MAX_BATCH = 500;

/** Opens the mirror and what looks after the rollouts; begins once the process is up. */
export async function openRollouts(
  host: InferenceHost,
  { domain, inForce, arms, modelOf, changed, writesTables }: OpenRollouts,
): Promise<OpenedRollouts> {
  const { topics, facts, tables, log, clock, scheduler, resources, logger, lifecycle } = host;
  const metrics = new RolloutMetrics(host.registry);
  await topics.ensure(TOPICS.shadows);
  if (writesTables) {
    const repeats = shadowRepeats(host.offline);
    await tables.add({
      name: 'inference.shadows',
      topic: TOPICS.shadows.name,
      table: 'millrace.shadow_answers',
      shared: true,
      decode: decodeShadow,
      prepare: (batch) => repeats.prepare(batch),
      toRows: shadowRows((item) => repeats.isRepeat(item)),
      onAssigned: (partition) => repeats.assigned(partition),
      onStored: (partition, next) => repeats.stored(partition, next),
    });
  }
  const rollouts = new Rollouts({
    ...{ domain, resources, log, inForce, arms, clock, scheduler, changed },
    observer: {
      decided: (name, decision) => {
        metrics.decisions.inc({ rollout: name, decision });
        logger.info({ rollout: name, decision }, 'rollout decided');
      },
      failed: (name, error) => logger.warn({ err: error, rollout: name }, 'a rollout has trouble; trying again'),
    },
  });
  const shadows = new FactBuffer<ShadowAnswered>({
    append: (batch) =>
      facts.append(
        TOPICS.shadows.name,
        batch.map((data) => ({
          ...{ key: data.predictionId, domain: 'inference', type: 'ShadowAnswered', subject: `prediction/${data.predictionId}` },
          // An append that is tried again is recognised.
          ...{ id: shadowKeyOf(data), data },
        })),
      ),
    ...{ capacity: MOST_BUFFERED, maxBatch: MAX_BATCH, scheduler },
    observer: {
      shed: (count) => metrics.mirrored.inc({ deployment: '', outcome: 'shed' }, count),
      retried: (error) => logger.warn({ err: error, facts: 'shadows' }, 'the log did not take the records; trying again'),
    },
  });
  const mirror = new Mirror({
    targetOf: (deployment) => inForce.mirrorOf(deployment),
    modelOf,
    answered: (fact) => shadows.add(fact),
    observed: (deployment, outcome) => metrics.mirrored.inc({ deployment, outcome }),
    scheduler,
    elapsed: () => performance.now(),
  });
  lifecycle.add('projections', 'inference.shadows', async () => {
    await mirror.close();
    await shadows.close();
  });
  lifecycle.add('consumers', 'inference.rollouts', () => rollouts.stop());
  host.health.catchUp('inference.rollouts', () => rollouts.missing());
  rollouts.start();
  return { rollouts, mirror, history: new RolloutHistory(log, domain), logs: [domain, resources.log] };
}

/** What the endpoints are made of. A read sees all that is on the log when it is asked. */
export function rolloutEndpoints(
  { rollouts, history, logs }: OpenedRollouts,
  { clock, ids }: { clock: Clock; ids: Ids },
): RolloutRoutesOptions {
  return {
    list: () => rollouts.list(),
    get: (name) => rollouts.get(name),
    history: (name) => history.of(name),
    act: (name, type, reason, metadata) => rollouts.act(name, type, reason, metadata),
    metadata: (request) => commandMetadata(request, clock, ids),
    settled: async (request) => {
      await awaitPosition(request, ...logs);
      await Promise.all(logs.map((log) => log.barrier()));
    },
  };
}
