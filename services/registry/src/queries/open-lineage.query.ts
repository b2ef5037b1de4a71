import type { OfflineStore } from '@millrace/offline-store';
import { auditEntryOf, auditPage, AUDIT_COLUMNS, type AuditRow } from './audit.query.js';
import {
  lineageEvents,
  LINEAGE_TYPES,
  LOOKED_BACK_TO,
  type EarlierDecisions,
  type LineageDecision,
  type LineageEvent,
} from './open-lineage-events.js';

export interface LineageEventsPage {
  readonly events: readonly LineageEvent[];
  readonly nextPageToken?: string;
}

/** How sending the events goes. */
export interface DeliveryStatus {
  readonly delivered: number;
  readonly refused: readonly { readonly eventId: string; readonly reason: string; readonly at: string }[];
  readonly failure: { readonly reason: string; readonly since: string; readonly retries: number } | null;
}

/** Events of a page of decisions, by time. A page may hold fewer than `limit`: not every decision tells of lineage. */
export async function lineagePage(
  offline: OfflineStore,
  namespace: string,
  limit: number,
  pageToken: string | undefined,
): Promise<LineageEventsPage> {
  const { entries, nextPageToken } = await auditPage(offline, { types: LINEAGE_TYPES }, limit, pageToken);
  const events = await eventsOf(offline, entries, namespace);
  return nextPageToken === undefined ? { events } : { events, nextPageToken };
}

/** The events of a partition's decisions from an offset on, and the offset after the last that was looked at. */
export async function lineageAfter(
  offline: OfflineStore,
  namespace: string,
  topic: string,
  partition: number,
  from: number,
  limit: number,
): Promise<{ events: readonly (LineageEvent & { readonly next: number })[]; next: number }> {
  const rows = await offline.query<AuditRow>(
    `SELECT ${AUDIT_COLUMNS}
     FROM millrace.decisions
     WHERE _topic = {topic:String} AND _partition = {partition:UInt32} AND _offset >= {from:UInt64} AND type IN {types:Array(String)}
     ORDER BY _offset LIMIT 1 BY _offset LIMIT {limit:UInt32}`,
    { topic, partition, from, types: LINEAGE_TYPES, limit },
  );
  const decisions = rows.map(auditEntryOf);
  const earlier = await earlierOf(offline, decisions);
  const events = decisions.flatMap((decision, index) => {
    const offset = Number((rows[index] as AuditRow).offset);
    const told = lineageEvents(decision, earlier, namespace);
    // A decision is done with its last event: a process that dies before it sends all of them again.
    return told.map((event, place) => ({ ...event, next: place === told.length - 1 ? offset + 1 : offset }));
  });
  return { events, next: rows.length === 0 ? from : Number((rows.at(-1) as AuditRow).offset) + 1 };
}

async function eventsOf(offline: OfflineStore, decisions: readonly LineageDecision[], namespace: string): Promise<LineageEvent[]> {
  const earlier = await earlierOf(offline, decisions);
  return decisions.flatMap((decision) => lineageEvents(decision, earlier, namespace));
}

/** What the decisions look back to: of their own subjects, and the runs of versions. */
async function earlierOf(offline: OfflineStore, decisions: readonly LineageDecision[]): Promise<EarlierDecisions> {
  const subjects = decisions.filter(({ domain }) => domain !== 'resources').map(({ domain, subject }) => [domain, subject] as const);
  const runs = decisions.flatMap(({ type, data }) => {
    const runId = type === 'VersionRegistered' ? (data as { runId?: unknown }).runId : null;
    return typeof runId === 'string' ? [['tracking', `run/${runId}`] as const] : [];
  });
  const wanted = [...subjects, ...runs];
  const bySubject = new Map<string, { type: string; sequence: number; data: unknown }[]>();
  if (wanted.length > 0) {
    const rows = await offline.query<Pick<AuditRow, 'domain' | 'subject' | 'sequence' | 'type' | 'data'>>(
      `SELECT domain, subject, sequence, type, data FROM millrace.decisions
       WHERE _topic IN {topics:Array(String)} AND subject IN {subjects:Array(String)} AND type IN {types:Array(String)}
       ORDER BY _topic, subject, sequence LIMIT 1 BY _topic, subject, sequence`,
      {
        topics: [...new Set(wanted.map(([domain]) => `millrace.${domain}.decisions`))],
        subjects: [...new Set(wanted.map(([, subject]) => subject))],
        types: LOOKED_BACK_TO,
      },
    );
    for (const { domain, subject, sequence, type, data } of rows) {
      const key = `${domain} ${subject}`;
      const list = bySubject.get(key) ?? [];
      list.push({ type, sequence: Number(sequence), data: JSON.parse(data) as unknown });
      bySubject.set(key, list);
    }
  }
  return (domain, subject, before) => (bySubject.get(`${domain} ${subject}`) ?? []).filter(({ sequence }) => sequence < before);
}
