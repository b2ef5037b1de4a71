import { checkpointKey, decodeCheckpoint, type ViewPlan } from '@millrace/feature-engine';
import type { EventLog } from '@millrace/event-log';
import type { OnlineStore } from '@millrace/online-store';
import type { MaterializationStatus } from './materialization-status.query.js';
import { refusedRecords, type RefusedRecords } from './refused-records.query.js';
import type { FeatureDefinitions } from '../definitions/feature-definitions.js';

/** How far a view has come online. */
export interface ViewStatus {
  readonly view: string;
  readonly entity: string;
  readonly version: string;
  /** Records of the source not yet applied. */
  readonly lag: number;
  /** Next offset by partition. */
  readonly next: readonly number[];
}

export interface SourceStatus {
  readonly name: string;
  readonly topic: string;
  /** What analysts ask. */
  readonly table: string;
  /** Offset after the last record, by partition. */
  readonly end: readonly number[];
  /** Records not yet applied to the view that is furthest behind. */
  readonly lag: number;
  readonly views: readonly ViewStatus[];
  readonly refused: RefusedRecords;
  /** Of a source with a query, a table or files. */
  readonly materialization?: MaterializationStatus;
}

/** How far the online store is behind a source's log: what any process sees, whichever owns the partitions. */
export async function sourceStatus(
  from: { log: EventLog; online: OnlineStore; definitions: FeatureDefinitions },
  source: { name: string; topic: string; table: string; consumer: string; partitions: number },
): Promise<SourceStatus> {
  const plans = from.definitions.onlineViews(source.name);
  const partitions = Array.from({ length: source.partitions }, (_, partition) => partition);
  // Checkpoints first: read the other way round, events that come in between would look like none.
  const next = await Promise.all(plans.map((plan) => checkpoints(from.online, plan, partitions)));
  const [end, begin] = await Promise.all([from.log.end(source.topic), from.log.begin(source.topic)]);
  const views = plans.map((plan, index) => {
    const own = next[index] as number[];
    const lags = partitions.map((partition) => Math.max(0, (end[partition] ?? 0) - Math.max(own[partition] ?? 0, begin[partition] ?? 0)));
    return { view: plan.name, entity: plan.entity, version: plan.version, lag: lags.reduce((sum, lag) => sum + lag, 0), next: own };
  });
  const { name, topic, table, consumer } = source;
  const refused = await refusedRecords(from.log, topic, consumer);
  return { name, topic, table, end, lag: Math.max(0, ...views.map((view) => view.lag)), views, refused };
}

async function checkpoints(store: OnlineStore, plan: ViewPlan, partitions: readonly number[]): Promise<number[]> {
  const found = await store.getMany(partitions.map((partition) => checkpointKey(plan, partition)));
  return found.map((value) => decodeCheckpoint(value));
}
