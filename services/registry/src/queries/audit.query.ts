import { MODELS } from '../domain/models/models.decider.js';
import type { OfflineStore, SqlParameters } from '@millrace/offline-store';

/** Which decisions are asked for; what is absent does not narrow. */
export interface AuditFilter {
  /** A subject, or with `*` at its end all that begin so. */
  readonly subjects?: readonly string[] | undefined;
  /** Ids of registered models: what was decided about their versions, and about them in the catalog. */
  readonly models?: readonly string[] | undefined;
  readonly actor?: string | undefined;
  /** Id of the API key that was shown. */
  readonly keyId?: string | undefined;
  readonly domain?: string | undefined;
  readonly types?: readonly string[] | undefined;
  /** Milliseconds since the epoch: from, and before. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly newestFirst?: boolean | undefined;
}

/** One accepted decision, as the trail tells it. */
export interface AuditEntry {
  readonly time: string;
  readonly actor: string;
  /** The API key the actor showed; `null` where it was none, or nothing is known of it. */
  readonly keyId: string | null;
  readonly domain: string;
  readonly type: string;
  readonly subject: string;
  readonly sequence: number;
  /** Why, where somebody said so. */
  readonly reason: string | null;
  readonly data: unknown;
  readonly commandId: string;
  /** Where it is in the log. */
  readonly position: string;
}

/** With the text of its data as it is on the log: what is shown of them is that, because parsing rounds long whole numbers. */
export interface AuditDecision extends AuditEntry {
  readonly written: string;
}

export interface AuditPage {
  readonly entries: readonly AuditDecision[];
  readonly nextPageToken?: string;
}

/** An accepted decision as {@link AUDIT_COLUMNS} of `millrace.decisions` give it. */
export interface AuditRow {
  readonly ms: string;
  readonly actor: string;
  readonly key_id: string;
  readonly domain: string;
  readonly type: string;
  readonly subject: string;
  readonly sequence: string;
  readonly command_id: string;
  readonly data: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
}

export const AUDIT_COLUMNS = `toUnixTimestamp64Milli(time) AS ms, actor, key_id, domain, type, subject, sequence, command_id, data,
       _topic AS topic, _partition AS partition, _offset AS offset`;

/** A page of the trail, by time and then by place in the log; a token goes on exactly after the last entry, whatever came since. */
export async function auditPage(
  offline: OfflineStore,
  filter: AuditFilter,
  limit: number,
  pageToken: string | undefined,
): Promise<AuditPage> {
  const { sql, parameters } = select(filter, pageToken);
  const rows = await offline.query<AuditRow>(`${sql} LIMIT {limit:UInt32}`, { ...parameters, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  const entries = rows.slice(0, limit).map(auditEntryOf);
  return last ? { entries, nextPageToken: tokenOf(last) } : { entries };
}

/** Ids of the registered models that have or had the name. */
export async function modelsNamed(offline: OfflineStore, name: string): Promise<string[]> {
  const rows = await offline.query<{ id: string }>(
    `SELECT DISTINCT JSONExtractString(data, 'modelId') AS id FROM millrace.decisions
     WHERE domain = 'registry' AND subject = {catalog:String}
       AND (type = 'ModelRegistered' AND JSONExtractString(data, 'name') = {name:String}
         OR type = 'ModelRenamed' AND JSONExtractString(data, 'to') = {name:String})`,
    { catalog: MODELS, name },
  );
  return rows.map(({ id }) => id);
}

/** The last names of the registered models that were deleted, by id. */
export async function deletedModels(offline: OfflineStore): Promise<ReadonlyMap<string, string>> {
  const rows = await offline.query<{ id: string; name: string }>(
    `SELECT DISTINCT JSONExtractString(data, 'modelId') AS id, JSONExtractString(data, 'name') AS name FROM millrace.decisions
     WHERE domain = 'registry' AND subject = {catalog:String} AND type = 'ModelDeleted'`,
    { catalog: MODELS },
  );
  return new Map(rows.map(({ id, name }) => [id, name]));
}

/** The whole trail, entry by entry. */
export async function* auditTrail(offline: OfflineStore, filter: AuditFilter): AsyncGenerator<AuditDecision> {
  const { sql, parameters } = select(filter, undefined);
  for await (const row of offline.stream<AuditRow>(sql, parameters)) yield auditEntryOf(row);
}

function select(filter: AuditFilter, pageToken: string | undefined): { sql: string; parameters: SqlParameters } {
  const conditions: string[] = [];
  const parameters: Record<string, SqlParameters[string]> = {};
  const add = (condition: string, values: Record<string, SqlParameters[string]>): void => {
    conditions.push(condition);
    Object.assign(parameters, values);
  };
  if (filter.subjects !== undefined) {
    const exact = filter.subjects.filter((subject) => !subject.endsWith('*'));
    const prefixes = filter.subjects.filter((subject) => subject.endsWith('*')).map((subject) => subject.slice(0, -1));
    add('(subject IN {subjects:Array(String)} OR arrayExists(prefix -> startsWith(subject, prefix), {prefixes:Array(String)}))', {
      subjects: exact,
      prefixes,
    });
  }
  if (filter.models !== undefined) {
    add(
      `domain = 'registry' AND (subject IN {ofModels:Array(String)}
        OR subject = {catalog:String} AND JSONExtractString(data, 'modelId') IN {models:Array(String)})`,
      { ofModels: filter.models.map((id) => `model/${id}`), catalog: MODELS, models: [...filter.models] },
    );
  }
  if (filter.actor !== undefined) add('actor = {actor:String}', { actor: filter.actor });
  if (filter.keyId !== undefined) add('key_id = {keyId:String}', { keyId: filter.keyId });
  if (filter.domain !== undefined) add('domain = {domain:String}', { domain: filter.domain });
  if (filter.types !== undefined) add('type IN {types:Array(String)}', { types: filter.types });
  if (filter.from !== undefined) add('time >= fromUnixTimestamp64Milli({from:Int64})', { from: filter.from });
  if (filter.to !== undefined) add('time < fromUnixTimestamp64Milli({to:Int64})', { to: filter.to });
  const isDescending = filter.newestFirst === true;
  if (pageToken !== undefined) {
    const place = placeOf(pageToken);
    if (!place) throw new TypeError('a page token is checked where it comes in');
    const [ms, topic, partition, offset] = place;
    const after = isDescending ? '<' : '>';
    add(
      `(toUnixTimestamp64Milli(time), _topic, _partition, _offset) ${after} ({ms:Int64}, {topic:String}, {partition:UInt32}, {offset:UInt64})`,
      { ms, topic, partition, offset },
    );
  }
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const direction = isDescending ? 'DESC' : 'ASC';
  const order = ['time', '_topic', '_partition', '_offset'].map((column) => `${column} ${direction}`).join(', ');
  const sql = `SELECT ${AUDIT_COLUMNS}
     FROM millrace.decisions ${where} ORDER BY ${order} LIMIT 1 BY _topic, _partition, _offset`;
  return { sql, parameters };
}

export function auditEntryOf(row: AuditRow): AuditDecision {
  const data = JSON.parse(row.data) as { reason?: unknown; comment?: unknown };
  const reason = [data.reason, data.comment].find((one) => typeof one === 'string' && one !== '');
  return {
    time: new Date(Number(row.ms)).toISOString(),
    actor: row.actor,
    keyId: row.key_id === '' ? null : row.key_id,
    domain: row.domain,
    type: row.type,
    subject: row.subject,
    sequence: Number(row.sequence),
    reason: (reason as string | undefined) ?? null,
    data,
    written: row.data,
    commandId: row.command_id,
    position: `${row.topic}/${row.partition}@${row.offset}`,
  };
}

function tokenOf({ ms, topic, partition, offset }: AuditRow): string {
  return Buffer.from(JSON.stringify([Number(ms), topic, partition, Number(offset)])).toString('base64url');
}

/** The place a token names; `undefined` for a token that is none of ours. */
export function placeOf(token: string): [number, string, number, number] | undefined {
  try {
    const place: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (Array.isArray(place) && place.length === 4 && typeof place[1] === 'string') {
      const [ms, partition, offset] = [place[0], place[2], place[3]].map(Number) as [number, number, number];
      if ([ms, partition, offset].every(Number.isSafeInteger)) return [ms, place[1], partition, offset];
    }
  } catch {
    // Not one of ours: said below.
  }
  return undefined;
}
