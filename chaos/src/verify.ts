import type { Ledger } from './ledger.js';
import { ENTITIES, STREAM_START } from './load.js';

export interface Addresses {
  readonly url: string;
  readonly clickhouseUrl: string;
}

export interface Verdict {
  readonly acknowledgedRuns: number;
  readonly acknowledgedEvents: number;
  /** Sentences; empty when nothing is wrong. */
  readonly violations: readonly string[];
}

const DAYS_7 = 7 * 86_400_000;

/**
 * Holds what the platform shows against what it acknowledged: every acknowledged run with its param and all its points, every
 * acknowledged event, each exactly once in the offline store, and online windows equal to a count over the offline store.
 */
export async function verify(addresses: Addresses, ledger: Ledger): Promise<Verdict> {
  const violations: string[] = [];
  await readable(addresses, ledger);
  await verifyRuns(addresses, ledger, violations);
  await verifyEvents(addresses, ledger, violations);
  await verifyOnline(addresses, violations);
  return { acknowledgedRuns: ledger.runs.length, acknowledgedEvents: ledger.events.size, violations };
}

/** Projections catch up after a restart; waits until the offline counts stand still and hold at least what was acknowledged. */
async function readable(addresses: Addresses, ledger: Ledger): Promise<void> {
  const deadline = Date.now() + 60_000;
  let before = '';
  for (;;) {
    const [counts] = await sql<{ events: string; points: string }>(
      addresses,
      'SELECT (SELECT uniqExact(_partition, _offset) FROM millrace.source_chaos) AS events, (SELECT count() FROM millrace.metric_points FINAL) AS points',
    ).catch(() => [undefined]);
    const now = JSON.stringify(counts);
    const expectedPoints = ledger.runs.reduce((sum, run) => sum + run.points, 0);
    if (counts && Number(counts.events) >= ledger.events.size && Number(counts.points) >= expectedPoints && now === before) return;
    if (Date.now() > deadline) return;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function verifyRuns(addresses: Addresses, ledger: Ledger, violations: string[]): Promise<void> {
  const points = await sql<{ run_id: string; points: string; copies: string }>(
    addresses,
    `SELECT run_id, count() AS points, count() - uniqExact(_partition, _offset, step) AS copies FROM millrace.metric_points GROUP BY run_id`,
  );
  const byRun = new Map(points.map((row) => [row.run_id, row]));
  for (const run of ledger.runs) {
    const row = byRun.get(run.runId);
    const found = Number(row?.points ?? 0);
    if (found !== run.points && found !== run.points + run.unknownPoints)
      violations.push(`run ${run.runId}: ${found} points in the offline store, ${run.points} acknowledged, ${run.unknownPoints} unknown`);
    if (Number(row?.copies ?? 0) !== 0) violations.push(`run ${run.runId}: a point is counted more than once`);
  }
  // The write model is asked for every run of the last rounds; all earlier ones were asked in theirs.
  for (const run of ledger.runs.slice(-200)) {
    const response = await fetch(`${addresses.url}/api/2.0/mlflow/runs/get?run_id=${run.runId}`);
    const body = (await response.json()) as { run?: { data: { params?: { key: string; value: string }[] } } };
    const param = body.run?.data.params?.find(({ key }) => key === 'p')?.value;
    if (param !== run.param)
      violations.push(`run ${run.runId}: param p is ${param ?? `missing (${response.status})`}, acknowledged ${run.param}`);
  }
  const [decisions] = await sql<{ copies: string }>(
    addresses,
    'SELECT count() - uniqExact(_topic, _partition, _offset) AS copies FROM millrace.decisions',
  );
  if (Number(decisions?.copies) !== 0) violations.push(`${decisions?.copies} decisions are counted more than once`);
  const forks = await sql<{ subject: string }>(
    addresses,
    'SELECT subject FROM millrace.decisions FINAL GROUP BY domain, subject HAVING count() != max(sequence) LIMIT 5',
  );
  for (const fork of forks) violations.push(`subject ${fork.subject}: accepted sequences are not 1, 2, 3 ...`);
}

async function verifyEvents(addresses: Addresses, ledger: Ledger, violations: string[]): Promise<void> {
  const rows = await sql<{ id: string; copies: string }>(addresses, 'SELECT id, count() AS copies FROM millrace.source_chaos GROUP BY id');
  const seen = new Map(rows.map((row) => [row.id, Number(row.copies)]));
  let missing = 0;
  for (const id of ledger.events.keys()) if (!seen.has(id)) missing++;
  if (missing > 0) violations.push(`${missing} acknowledged events are not in the offline store`);
  const doubled = rows.filter((row) => Number(row.copies) > 1).length;
  if (doubled > 0) violations.push(`${doubled} events are in the offline store more than once`);
}

async function verifyOnline(addresses: Addresses, violations: string[]): Promise<void> {
  const at = STREAM_START + DAYS_7 - 1;
  const offline = await sql<{ entity: string; events: string; value: string }>(
    addresses,
    `SELECT entity, count() AS events, sum(value) AS value FROM millrace.source_chaos FINAL
     WHERE toUnixTimestamp64Milli(_event_time) >= ${STREAM_START - 1} AND toUnixTimestamp64Milli(_event_time) < ${at} GROUP BY entity`,
  );
  const expected = new Map(offline.map((row) => [row.entity, row]));
  const deadline = Date.now() + 30_000;
  for (;;) {
    const response = await fetch(`${addresses.url}/get-online-features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ feature_service: 'chaos_model', entities: { entity: ENTITIES }, at }),
    });
    const body = (await response.json()) as { metadata: { feature_names: string[] }; results: { values: unknown[] }[] };
    const column = (name: string): unknown[] => body.results[body.metadata.feature_names.indexOf(name)]?.values ?? [];
    const wrong: string[] = [];
    ENTITIES.forEach((entity, row) => {
      const events = Number(column('events_7d')[row] ?? 0);
      const value = Number(column('value_7d')[row] ?? 0);
      const want = expected.get(entity);
      if (events !== Number(want?.events ?? 0) || value !== Number(want?.value ?? 0)) {
        wrong.push(`entity ${entity}: online ${events} events, sum ${value}; offline ${want?.events ?? 0}, ${want?.value ?? 0}`);
      }
    });
    if (wrong.length === 0) return;
    if (Date.now() > deadline) {
      violations.push(...wrong);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function sql<Row>(addresses: Addresses, query: string): Promise<Row[]> {
  const response = await fetch(`${addresses.clickhouseUrl}/?default_format=JSONEachRow`, { method: 'POST', body: query });
  const text = await response.text();
  if (!response.ok) throw new Error(text.slice(0, 500));
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}
