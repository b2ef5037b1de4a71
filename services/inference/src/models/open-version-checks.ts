import { TOPICS } from '@millrace/contracts';
import type { DecisionRecord } from '@millrace/kernel';
import { FactBuffer, type DomainLog } from '@millrace/service';
import { askedVersion, registeredVersion } from '../domain/registry/model-catalog.js';
import type { ServingChecked } from '../domain/registry/serving-checked.js';
import type { ModelVersion } from '../domain/registry/model-reference.js';
import type { InferenceHost } from '../inference.runtime.js';
import type { InferenceMetrics } from '../metrics.js';
import { decodeServingCheck, servingCheckRow } from '../projections/serving-checks.projection.js';
import { checksObserver } from './serving-observer.js';
import { VersionChecks, type VersionCheck, type VersionChecksOptions } from './version-checks.js';

export interface OpenVersionChecks {
  /** The registry's decisions, as the gateway folds them. */
  readonly registry: DomainLog;
  readonly metrics: InferenceMetrics;
  readonly tryVersion: VersionChecksOptions['tryVersion'];
}

/** Checks whose record may wait for the log; what comes beyond is shed, and told when the version is checked again. */
const MOST_BUFFERED = 1_000;
const MAX_BATCH = 100;

/**
 * Checks every version when it is registered, and when somebody asks to promote it; what is found is told on the log, where the registry reads
 * it before it promotes. What was registered before this start was checked then.
 */
export async function openVersionChecks(host: InferenceHost, { registry, metrics, tryVersion }: OpenVersionChecks): Promise<VersionChecks> {
  const { topics, facts, tables, log, clock, ids, scheduler, logger } = host;
  await topics.ensure(TOPICS.servingChecks);
  await tables.add({
    name: 'inference.serving-checks',
    topic: TOPICS.servingChecks.name,
    table: 'millrace.serving_checks',
    shared: true,
    decode: decodeServingCheck,
    toRows: servingCheckRow,
  });
  const buffer = new FactBuffer<{ readonly id: string; readonly time: number; readonly data: ServingChecked }>({
    append: (batch) =>
      facts.append(
        TOPICS.servingChecks.name,
        batch.map((fact) => ({
          ...fact,
          ...{ key: fact.data.modelId, domain: 'inference', type: 'ServingChecked', subject: `model/${fact.data.modelId}` },
        })),
      ),
    ...{ capacity: MOST_BUFFERED, maxBatch: MAX_BATCH, scheduler },
    observer: {
      shed: (count) => logger.warn({ count }, 'checks of versions are not on the log: it does not take records'),
      retried: (error) => logger.warn({ err: error, facts: 'serving checks' }, 'the log did not take the records; trying again'),
    },
  });
  const told = checksObserver(logger, metrics);
  const checks = new VersionChecks({
    tryVersion,
    observer: {
      ...told,
      checked: (check, version) => {
        told.checked(check, version);
        buffer.add({ id: ids.next(), time: clock.now(), data: factOf(check, version) });
      },
    },
  });
  host.lifecycle.add('projections', 'inference.serving-checks', () => buffer.close());
  const before = await log.end(registry.topic);
  registry.onAccepted((record) => {
    if (record.position.offset < (before[record.position.partition] ?? 0)) return;
    const version = registeredVersion(record) ?? asked(record);
    if (version) checks.registered(version);
  });
  return checks;

  function asked(record: DecisionRecord): ModelVersion | undefined {
    return askedVersion(record, registry.replica.subject(record.subject).state);
  }
}

function factOf(check: VersionCheck, { modelId }: ModelVersion): ServingChecked {
  const { model, version, digest, servable } = check;
  const found = check.servable
    ? { reason: null, place: check.place, runMs: check.runMs }
    : { reason: check.reason, place: null, runMs: null };
  return { modelId, model, version, digest, servable, ...found };
}
