import { createHash } from 'node:crypto';
import { pipeline, type Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { createZstdCompress, zstdDecompress } from 'node:zlib';
import type { ArtifactStore } from '@millrace/artifact-store';
import { canonical } from '@millrace/kernel';
import {
  checkSelect,
  csvRows,
  EXACT_JSON_ROWS,
  parquetRows,
  quoteIdentifier,
  type FileRows,
  type OfflineStore,
  type ScratchTables,
} from '@millrace/offline-store';
import type { BatchColumn, BatchInput } from '../domain/batch-job/batch-job.events.js';
import { batchFault } from './batch-fault.js';
import type { BatchRows } from './batch-job-request.js';

export interface InputHost {
  readonly store: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly scratch: ScratchTables;
  readonly maxRows: number;
  /** Where a training set lies; a fault where there is none, or none yet. */
  readonly trainingSet: (id: string) => Promise<{ readonly path: string; readonly sha256: string }>;
}

/** A job's rows in a table: their own columns, and `__row`, their place. */
export interface StagedInput {
  /** Quoted. */
  readonly table: string;
  readonly columns: readonly BatchColumn[];
  /** Columns of the file that are not read: lists, maps and structures. */
  readonly nested: readonly string[];
  readonly rows: number;
}

const DIRECTORY = 'batch-jobs/inputs';
const DEADLINE_MS = 600_000;
const MOST_TEXT = 1_000;

/** Puts the rows that were asked for into a scratch table, runs `use` on it, and gives where they are kept from then on. */
export async function withNewInput<T>(
  host: InputHost,
  rows: BatchRows,
  use: (staged: StagedInput, keep: () => Promise<BatchInput>) => Promise<T>,
): Promise<T> {
  switch (rows.kind) {
    case 'file':
      // What its head says can be told at once, and before anything is kept.
      return withFile(host, rows.format, rows.bytes, (staged) => use(staged, () => keepFile(host, rows.format, rows.bytes)));
    case 'trainingSet': {
      const { path, sha256 } = await host.trainingSet(rows.id);
      const input: BatchInput = { kind: 'trainingSet', trainingSetId: rows.id, path, digest: sha256 };
      return withKeptInput(host, input, undefined, (staged) => use(staged, () => Promise.resolve(input)));
    }
    case 'query': {
      const checked = await checkSelect(host.store, rows.sql, 'input.query');
      if ('reason' in checked) throw batchFault(checked.reason);
      return stage(host, checked.sql, (staged) => use(staged, () => keepQuery(host, checked.sql, staged)), true);
    }
  }
}

/** Puts rows that were kept into a scratch table again. `columns` are what a query gave. */
export async function withKeptInput<T>(
  host: InputHost,
  input: BatchInput,
  columns: readonly BatchColumn[] | undefined,
  use: (staged: StagedInput) => Promise<T>,
): Promise<T> {
  const bytes = await buffer(await host.artifacts.get(input.path));
  if (input.kind !== 'query') {
    const digest = createHash('sha256').update(bytes).digest('hex');
    if (digest !== input.digest) throw batchFault(`the file of the input at ${input.path} has changed since the job was accepted`);
    return withFile(host, input.kind === 'file' ? input.format : 'parquet', bytes, use);
  }
  const native = await promisify(zstdDecompress)(bytes);
  const select = (): Promise<string> => Promise.resolve('');
  return load(host, { format: 'Native', bytes: native, columns: columns ?? [], nested: [], select }, (table) =>
    stage(host, `SELECT * FROM ${table}`, use),
  );
}

async function withFile<T>(
  host: InputHost,
  format: 'parquet' | 'csv',
  bytes: Buffer,
  use: (staged: StagedInput) => Promise<T>,
): Promise<T> {
  const file = format === 'csv' ? csvRows(bytes, { asText: new Set(), refuse: batchFault }) : parquetRows(bytes, batchFault);
  return load(host, file, async (table) =>
    stage(host, await file.select(host.store, table), (staged) => use({ ...staged, nested: file.nested })),
  );
}

async function load<T>({ store, scratch }: InputHost, file: FileRows, use: (table: string) => Promise<T>): Promise<T> {
  const columns = file.columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ');
  return scratch.with(`(${columns}) ENGINE = StripeLog`, async (table, bare) => {
    if (file.bytes.length > 0) await reading(`the ${file.format} file cannot be read`, store.load(bare, file.format, file.bytes));
    return use(table);
  });
}

/** `isGuests`: the query is somebody's own. */
async function stage<T>(
  { store, scratch, maxRows }: InputHost,
  sql: string,
  use: (staged: StagedInput) => Promise<T>,
  isGuests = false,
): Promise<T> {
  const asked = store.query<BatchColumn>(`DESCRIBE TABLE (${sql})`, undefined, { isGuests, deadlineMs: DEADLINE_MS });
  const described = await reading('the input cannot be read', asked);
  const columns = described.map(({ name, type }) => ({ name, type }));
  if (columns.length === 0) throw batchFault('the input has no columns');
  const reserved = columns.find(({ name }) => name.startsWith('__'));
  if (reserved) {
    const mend = reserved.name.startsWith('__index_level_') ? '; write the frame with index=False' : '; rename it';
    throw batchFault(`column ${reserved.name}: names beginning with __ are the platform's own${mend}`);
  }
  const repeated = columns.find(({ name }, index) => columns.findIndex((other) => other.name === name) !== index);
  if (repeated) throw batchFault(`the input has two columns ${repeated.name}`);
  // The rows are kept as ClickHouse's own bytes, and read back into a table that has none of these.
  const dynamic = columns.find(({ type }) =>
    /\b(JSON|Object|Dynamic|Variant)\b/.test(type.replace(/'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`/gs, '')),
  );
  if (dynamic)
    throw batchFault(
      `column ${dynamic.name} is ${dynamic.type}, which is not read; leave it out of the query, or give it as text with toString()`,
    );
  // One thread keeps the rows in the order the query gives them.
  const definition = `ENGINE = MergeTree ORDER BY __row AS SELECT *, rowNumberInAllBlocks() AS __row FROM (${sql})
    ${isGuests ? `LIMIT ${maxRows + 1} ` : ''}SETTINGS max_threads = 1, max_insert_threads = 1`;
  let isMade = false;
  const filled = async (table: string): Promise<T> => {
    isMade = true;
    const [found] = await store.query<{ rows: string }>(`SELECT count() AS rows FROM ${table}`);
    const rows = Number(found?.rows ?? 0);
    if (rows === 0) throw batchFault('the input has no rows');
    if (rows > maxRows)
      throw batchFault(
        `the input has ${isGuests ? `more than ${maxRows}` : rows} rows; at most ${maxRows} are taken (MILLRACE_INFERENCE_BATCH_MAX_ROWS)`,
      );
    return use({ table, columns, nested: [], rows });
  };
  return reading('the input cannot be read', scratch.with(definition, filled, { isGuests }), () => !isMade);
}

async function keepFile({ artifacts }: InputHost, format: 'parquet' | 'csv', bytes: Buffer): Promise<BatchInput> {
  const digest = createHash('sha256').update(bytes).digest('hex');
  const path = `${DIRECTORY}/${digest}.${format}`;
  if (!(await artifacts.stat(path))) await artifacts.put(path, bytes);
  return { kind: 'file', format, path, digest };
}

/** They, and not the query, are the input: what it would give later does not matter any more. */
async function keepQuery({ store, artifacts }: InputHost, sql: string, { table, columns }: StagedInput): Promise<BatchInput> {
  const ask = { deadlineMs: DEADLINE_MS };
  const [told] = await store.query<{ digest: string }>(
    `SELECT lower(hex(sum(reinterpretAsUInt128(sipHash128(toJSONString(tuple(*))))))) AS digest FROM ${table} ${EXACT_JSON_ROWS}`,
    undefined,
    ask,
  );
  const digest = createHash('sha256')
    .update(canonical({ digest: told?.digest ?? '', columns: columns.map(({ name, type }) => ({ name, type })) }))
    .digest('hex');
  const path = `${DIRECTORY}/${digest}.native.zst`;
  if (!(await artifacts.stat(path))) {
    const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
    const rows = await store.raw(`SELECT ${names} FROM ${table} ORDER BY __row SETTINGS max_threads = 1`, 'Native', undefined, ask);
    await artifacts.put(path, compressed(rows));
  }
  return { kind: 'query', sql, path, digest };
}

/** What goes wrong on the way is told by the stream itself. */
function compressed(rows: Readable): Readable {
  return pipeline(rows, createZstdCompress(), () => undefined);
}

/** A query or a file that ClickHouse refuses is the requester's to mend. */
async function reading<T>(what: string, work: Promise<T>, isInput = (): boolean => true): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code !== 'MR_OFFLINE_STORE_REFUSED' || !isInput()) throw error;
    throw batchFault(`${what}: ${plainReason(message).slice(0, MOST_TEXT)}`);
  }
}

/** Of what ClickHouse says of a file, which row it is and what is wrong with it: not the scratch table, nor the rows before. */
function plainReason(message: string): string {
  const bare = message.replace(/^ClickHouse, while reading \w+ into \S+: /, '').replace(/Code: \d+\. DB::Exception: /g, '');
  const row = /^(.*\(at row \d+\))/.exec(bare)?.[1];
  if (row === undefined) return bare;
  const error = /^ERROR: (.*)$/m.exec(bare)?.[1];
  return error === undefined ? row : `${row}: ${error}`;
}
