import type { ArtifactStore } from '@millrace/artifact-store';
import { parquetColumn, parquetSettings, quoteIdentifier, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import type { BatchChunkScored, BatchColumn, BatchJobCompleted, BatchJobRequested } from '../domain/batch-job/batch-job.events.js';
import type { OutputColumn } from './check-columns.js';
import { chunkTable, loadChunk } from './chunk-rows.js';
import type { StagedInput } from './job-input.js';

export interface AssemblyHost {
  readonly store: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly scratch: ScratchTables;
}

const DEADLINE_MS = 600_000;

export function batchJobPath(id: string): string {
  return `batch-jobs/${id}`;
}

export function batchJobTable(id: string): string {
  return `millrace.batch_job_${id}`;
}

/** The name of the column that says why a row has no values; none where such a row fails the job. */
export function errorColumn({ onRowError, prefix }: BatchJobRequested): string | undefined {
  return onRowError === 'column' ? `${prefix}error` : undefined;
}

/** The columns that are carried over, as they are written: what cannot be was refused when the job was asked for. */
function keptColumns({ keep, columns }: BatchJobRequested): (BatchColumn & { readonly sql: string })[] {
  return keep.map((name) => {
    const { type } = columns.find((column) => column.name === name) as BatchColumn;
    const sql = `i.${quoteIdentifier(name)}`;
    return { name, ...(parquetColumn(sql, type) ?? { type, sql }) };
  });
}

/** The columns of a job's output: those kept of the input, the values, the error. */
export function jobColumns(request: BatchJobRequested, values: readonly OutputColumn[]): BatchColumn[] {
  const error = errorColumn(request);
  return [
    ...keptColumns(request).map(({ name, type }) => ({ name, type })),
    ...values.map(({ name, type }) => ({ name, type })),
    ...(error === undefined ? [] : [{ name: error, type: 'Nullable(String)' }]),
  ];
}

/** Writes the output from the input and the chunks, in the order of the input's rows. The same chunks give the same bytes. */
export async function assembleOutput(
  host: AssemblyHost,
  request: BatchJobRequested,
  input: StagedInput,
  values: readonly OutputColumn[],
  chunks: readonly BatchChunkScored[],
): Promise<Omit<BatchJobCompleted, 'rows' | 'failed'>> {
  const { store, artifacts, scratch } = host;
  const error = errorColumn(request);
  const selected = [
    ...keptColumns(request).map(({ name, sql }) => `${sql} AS ${quoteIdentifier(name)}`),
    ...values.map(({ name }, index) => `c.v${index} AS ${quoteIdentifier(name)}`),
    ...(error === undefined ? [] : [`c.error AS ${quoteIdentifier(error)}`]),
  ].join(', ');
  return scratch.with(chunkTable(values), async (table, bare) => {
    for (const chunk of chunks) await loadChunk(host, values, chunk, bare);
    const from = `FROM ${input.table} AS i INNER JOIN ${table} AS c ON i.__row = c.__row`;
    const sql = `SELECT ${selected} ${from} ORDER BY i.__row SETTINGS ${parquetSettings(request.rows).join(', ')}`;
    const path = `${batchJobPath(request.batchJobId)}/data.parquet`;
    const stored = await artifacts.put(path, await store.raw(sql, 'Parquet', undefined, { deadlineMs: DEADLINE_MS }));
    const written = { columns: jobColumns(request, values), path, bytes: stored.size, sha256: stored.sha256 };
    if (request.output !== 'table') return { ...written, table: null };
    const name = batchJobTable(request.batchJobId);
    await scratch.replace(name, `ENGINE = MergeTree ORDER BY _row AS SELECT i.__row AS _row, ${selected} ${from}`);
    return { ...written, table: name };
  });
}
