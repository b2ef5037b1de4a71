import type { EventLog } from '@millrace/event-log';
import { KINDS, type ResourceCatalog } from '@millrace/resources';
import type { Health } from '../host/health.js';
import type { VisibleTopics } from './visible-topics.js';

export interface StatusContext {
  readonly service: string;
  readonly log: EventLog;
  readonly health: Health;
  readonly catalog: ResourceCatalog;
  readonly topics: VisibleTopics;
}

export interface TopicStatus {
  readonly name: string;
  readonly kind: string;
  readonly holds: string;
  readonly partitions: readonly { readonly begin: number; readonly end: number }[];
}

/** One process at a glance: is it ready and if not why, what is on the log, what was put aside, what is defined. */
export async function status(context: StatusContext): Promise<object> {
  const { service, health, catalog, topics, log } = context;
  const [readiness, all] = await Promise.all([health.readiness(), topicStatuses(log, topics)]);
  const records = (topic: TopicStatus): number => topic.partitions.reduce((sum, { begin, end }) => sum + end - begin, 0);
  const rows = all.map((topic) => ({ name: topic.name, kind: topic.kind, records: records(topic) }));
  return {
    service,
    live: health.liveness().live,
    ready: readiness.ready,
    checks: readiness.checks,
    warnings: readiness.warnings,
    topics: rows.filter(({ kind }) => kind !== 'dead-letters'),
    deadLetters: rows.filter(({ kind, records: count }) => kind === 'dead-letters' && count > 0),
    resources: Object.fromEntries(KINDS.map((kind) => [kind, catalog.list(kind).length])),
  };
}

/** Every visible topic with the places its partitions begin and end at. */
export async function topicStatuses(log: EventLog, topics: VisibleTopics): Promise<TopicStatus[]> {
  return Promise.all(
    (await topics.list()).map(async (topic) => {
      const [begin, end] = await Promise.all([log.begin(topic.name), log.end(topic.name)]);
      return { ...topic, partitions: end.map((last, partition) => ({ begin: begin[partition] ?? 0, end: last })) };
    }),
  );
}
