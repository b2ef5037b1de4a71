import { exactJsonText } from '@millrace/kernel';
import { randomUUID } from 'node:crypto';
import { isRefused, type MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { CLEAR_LINE } from '../output/progress.js';
import { table } from '../output/table.js';

export interface MaterializeOptions {
  readonly from?: string;
  readonly to?: string;
  readonly all: boolean;
  readonly wait: boolean;
  readonly output: string;
}

/** One run, as the API shows it. */
export interface Materialization {
  readonly id: string;
  readonly status: string;
  readonly trigger: string;
  readonly from: string | null;
  readonly to: string;
  readonly reached: string | null;
  readonly rows: {
    readonly read: number;
    readonly appended: number;
    readonly unchanged: number;
    readonly rejected: number;
    readonly total: number | null;
  };
  readonly rejected: readonly { readonly time: string | null; readonly reason: string }[];
  readonly startedAt: string;
  readonly error?: string;
}

const LONGEST_LOOK_MS = 30_000;
const SHORTEST_LOOK_MS = 500;

/** Has the rows of a source, or of a view's source, brought to its topic. True unless the run failed, was cancelled or rejected rows. */
export async function materialize(client: MillraceClient, io: Io, name: string, options: MaterializeOptions): Promise<boolean> {
  const source = await sourceOf(client, name);
  const path = `/api/v1/sources/${encodeURIComponent(source)}/materializations`;
  const from = options.all ? null : options.from;
  let run = await client.json<Materialization>('POST', path, {
    body: exactJsonText({ from, to: options.to }),
    headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
  });
  while (options.wait && run.status === 'running') {
    if (io.isInteractive) io.err(`${CLEAR_LINE}${progressText(source, run)}`);
    // A person is shown what happens; nobody else needs to know before the end.
    const waitMs = io.isInteractive ? SHORTEST_LOOK_MS : LONGEST_LOOK_MS;
    run = await client.json<Materialization>('GET', `${path}/${run.id}?wait=${waitMs}ms`, { extraTimeMs: waitMs });
  }
  if (options.wait && io.isInteractive) io.err(CLEAR_LINE);
  io.out(options.output === 'json' ? `${exactJsonText(run, { indent: 2 })}\n` : materializationText(source, run));
  return ['running', 'finished'].includes(run.status) && run.rows.rejected === 0;
}

/** Lists the runs of a source, or of a view's source, the newest first. */
export async function materializations(client: MillraceClient, io: Io, name: string, options: { readonly output: string }): Promise<void> {
  const source = await sourceOf(client, name);
  const found = await client.json<{ watermark: string | null; materializations: readonly Materialization[] }>(
    'GET',
    `/api/v1/sources/${encodeURIComponent(source)}/materializations?limit=200`,
  );
  if (options.output === 'json') return io.out(`${exactJsonText(found, { indent: 2 })}\n`);
  const rows = found.materializations.map(({ id, status, trigger, from, to, reached, rows: counts, startedAt }) => [
    ...[id, status, trigger, startedAt, from ?? 'the first row', to, reached ?? '-'],
    ...[counts.read, counts.appended, counts.unchanged, counts.rejected].map(String),
  ]);
  const head = ['ID', 'STATUS', 'TRIGGER', 'STARTED', 'FROM', 'TO', 'REACHED', 'READ', 'APPENDED', 'UNCHANGED', 'REJECTED'];
  if (rows.length > 0) io.out(table(head, rows));
  io.out(`${source} is materialized up to ${found.watermark ?? 'nowhere yet'}\n`);
}

/** Stops a run; what it has brought stays. */
export async function cancelMaterialization(client: MillraceClient, io: Io, name: string, id: string): Promise<void> {
  const source = await sourceOf(client, name);
  const path = `/api/v1/sources/${encodeURIComponent(source)}/materializations/${encodeURIComponent(id)}/cancel`;
  io.out(materializationText(source, await client.json<Materialization>('POST', path)));
}

/** People think in views; rows belong to the source behind one. */
async function sourceOf(client: MillraceClient, name: string): Promise<string> {
  const specOf = async (kind: string): Promise<{ source?: string } | undefined> => {
    try {
      return (await client.json<{ spec: { source?: string } }>('GET', `/api/v1/resources/${kind}/${encodeURIComponent(name)}`)).spec;
    } catch (error) {
      if (isRefused(error) && error.problem.status === 404) return undefined;
      throw error;
    }
  };
  if (await specOf('Source')) return name;
  // What is neither is the server's to refuse.
  return (await specOf('FeatureView'))?.source ?? name;
}

/** One line about a run that is under way. */
export function progressText(source: string, { rows, reached, to }: Materialization): string {
  const share = rows.total === null || rows.total === 0 ? '' : ` of ${rows.total} (${Math.floor((100 * rows.read) / rows.total)}%)`;
  return `${source}  ${rows.read}${share} rows, ${rows.appended} appended  at ${reached ?? 'the first row'} of ${to}`;
}

/** What became of the rows, what was wrong with some, and a last line that says it all. */
export function materializationText(source: string, run: Materialization): string {
  const { read, appended, unchanged, rejected } = run.rows;
  const reasons = run.rejected.map(({ time, reason }) => `rejected: ${reason}${time === null ? '' : ` (at ${time})`}\n`);
  const more = rejected > run.rejected.length && run.rejected.length > 0 ? ['rejected: and others\n'] : [];
  const error = run.error === undefined ? '' : `: ${run.error}`;
  const counts = `${read} rows read, ${appended} appended, ${unchanged} unchanged, ${rejected} rejected`;
  return `${[...reasons, ...more].join('')}materialization ${run.id} of ${source} is ${run.status}${error}; ${counts}\n`;
}
