import { exactJsonText } from '@millrace/kernel';
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { CliError, EXIT } from '../cli-error.js';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { CLEAR_LINE, Progress } from '../output/progress.js';
import { table } from '../output/table.js';

export interface BatchRunOptions {
  readonly model?: string;
  readonly deployment?: string;
  readonly query?: string;
  readonly file?: string;
  readonly trainingSet?: string;
  readonly features?: readonly string[];
  readonly featureService?: string;
  readonly eventTime?: string;
  readonly outputs?: readonly string[];
  readonly prefix?: string;
  readonly keep?: readonly string[];
  readonly onRowError: string;
  readonly log: string;
  readonly sampleRate?: number;
  readonly chunkRows?: number;
  readonly table: boolean;
  readonly wait: boolean;
  readonly to?: string;
  readonly output: string;
}

export interface BatchGetOptions {
  readonly wait: boolean;
  readonly to?: string;
  readonly output: string;
}

/** A job, as the API shows it. */
export interface BatchJob {
  readonly id: string;
  readonly status: string;
  readonly deployment: string | null;
  readonly model: string;
  readonly version: number;
  readonly progress: {
    readonly stage: string;
    readonly rows: number;
    readonly failedRows: number;
    readonly totalRows: number;
    readonly chunks: number;
    readonly totalChunks: number;
  };
  /** Of a completed job; without a place since its output was deleted. */
  readonly output?: { readonly bytes: number; readonly table: string | null; readonly uri?: string; readonly deletedAt?: string };
  readonly error?: string;
  readonly requestedAt: string;
  readonly endedAt: string | null;
}

const PATH = '/api/v1/batch-jobs';
const LONGEST_LOOK_MS = 30_000;
const SHORTEST_LOOK_MS = 500;
const TYPES: Readonly<Record<string, string>> = { parquet: 'application/vnd.apache.parquet', csv: 'text/csv' };

/** Has rows scored by a model. True unless the job failed, was cancelled, or could not score some rows. */
export async function runBatch(client: MillraceClient, io: Io, options: BatchRunOptions): Promise<boolean> {
  await checkTarget(options);
  const { query, file, trainingSet } = options;
  if ([query, file, trainingSet].filter((given) => given !== undefined).length !== 1)
    throw new CliError('say where the rows come from: one of --query, --file and --training-set', EXIT.usage);
  const settings = {
    ...{ model: options.model, deployment: options.deployment, features: options.features, featureService: options.featureService },
    ...{ eventTime: options.eventTime, outputs: options.outputs, prefix: options.prefix, keep: options.keep, log: options.log },
    ...{ onRowError: options.onRowError, sampleRate: options.sampleRate, chunkRows: options.chunkRows },
    output: options.table ? 'table' : 'parquet',
  };
  // The same key for a request that is sent again is the same job, also where features are read as of now.
  const key = { 'idempotency-key': randomUUID() };
  const job = file === undefined ? await ask(client, settings, { query, trainingSet }, key) : await send(client, settings, file, key);
  return follow(client, io, job, options);
}

/** Shows a job. True unless it failed, was cancelled, or could not score some rows. */
export async function getBatch(client: MillraceClient, io: Io, id: string, options: BatchGetOptions): Promise<boolean> {
  await checkTarget(options);
  return follow(client, io, await client.json<BatchJob>('GET', pathOf(id)), options);
}

/** Lists jobs, the newest first. */
export async function listBatch(
  client: MillraceClient,
  io: Io,
  options: { readonly status?: string; readonly model?: string; readonly limit: number; readonly output: string },
): Promise<void> {
  const found: BatchJob[] = [];
  let pageToken: string | undefined;
  do {
    const { status, model, limit } = options;
    const asked = { status, model, limit: String(Math.min(200, limit - found.length)), pageToken };
    const given = Object.entries(asked).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const page = await client.json<{ batchJobs: readonly BatchJob[]; nextPageToken?: string }>(
      'GET',
      `${PATH}?${new URLSearchParams(given).toString()}`,
    );
    found.push(...page.batchJobs);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined && found.length < options.limit);
  if (options.output === 'json') return io.out(`${exactJsonText(found, { indent: 2 })}\n`);
  const rows = found.map(({ id, status, model, version, progress, requestedAt, endedAt }) => [
    ...[id, status, `${model}/${version}`, `${progress.rows}/${progress.totalRows}`, String(progress.failedRows)],
    ...[requestedAt, endedAt ?? '-'],
  ]);
  io.out(rows.length === 0 ? 'there are no batch jobs\n' : table(['ID', 'STATUS', 'MODEL', 'ROWS', 'FAILED', 'REQUESTED', 'ENDED'], rows));
}

/** Stops a job. */
export async function cancelBatch(client: MillraceClient, io: Io, id: string): Promise<void> {
  io.out(batchText(await client.json<BatchJob>('DELETE', pathOf(id))));
}

/** Deletes a completed job's output; the job stays. */
export async function deleteBatchOutput(client: MillraceClient, io: Io, id: string): Promise<void> {
  io.out(batchText(await client.json<BatchJob>('DELETE', `${pathOf(id)}/output`)));
}

function ask(client: MillraceClient, settings: object, input: object, key: Readonly<Record<string, string>>): Promise<BatchJob> {
  const headers = { 'content-type': 'application/json', ...key };
  return client.json<BatchJob>('POST', PATH, { body: exactJsonText({ ...settings, input }), headers });
}

async function send(
  client: MillraceClient,
  settings: Readonly<Record<string, unknown>>,
  file: string,
  key: Readonly<Record<string, string>>,
): Promise<BatchJob> {
  const type = TYPES[/\.(\w+)$/.exec(file)?.[1]?.toLowerCase() ?? ''];
  if (type === undefined) throw new CliError(`${file}: its name has to end with .parquet or .csv`, EXIT.usage);
  const body = await readFile(file).catch((cause: unknown) => {
    throw new CliError(`${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.usage, { cause });
  });
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(Object.fromEntries(given.map(([name, value]) => [name, String(value)])));
  return client.json<BatchJob>('POST', `${PATH}?${query.toString()}`, { body, headers: { 'content-type': type, ...key } });
}

async function follow(client: MillraceClient, io: Io, first: BatchJob, options: BatchGetOptions): Promise<boolean> {
  let job = first;
  const isWaiting = options.wait || options.to !== undefined;
  while (isWaiting && job.status === 'running') {
    if (io.isInteractive) io.err(`${CLEAR_LINE}${progressText(job)}`);
    // A person is shown what happens; nobody else needs to know before the end.
    const waitMs = io.isInteractive ? SHORTEST_LOOK_MS : LONGEST_LOOK_MS;
    job = await client.json<BatchJob>('GET', `${pathOf(job.id)}?wait=${waitMs}ms`, { extraTimeMs: waitMs });
  }
  if (isWaiting && io.isInteractive) io.err(CLEAR_LINE);
  if (options.to !== undefined && job.status === 'completed') await download(client, io, job, options.to);
  io.out(options.output === 'json' ? `${exactJsonText(job, { indent: 2 })}\n` : batchText(job, options.to));
  return ['running', 'completed'].includes(job.status) && job.progress.failedRows === 0;
}

/** Before anything is scored: what cannot be kept need not be computed. What is there already is written into, be it a file, a pipe or a device. */
export async function checkTarget({ to }: Pick<BatchGetOptions, 'to'>): Promise<void> {
  if (to === undefined) return;
  const found = await stat(to).catch(() => undefined);
  if (found?.isDirectory() || to.endsWith(sep))
    throw new CliError(`--to ${to} cannot be written: it is a folder; name a file in it`, EXIT.usage);
  await access(found ? to : dirname(resolve(to)), constants.W_OK).catch((cause: unknown) => {
    throw new CliError(`--to ${to} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.usage, { cause });
  });
}

async function download(client: MillraceClient, io: Io, { id, output }: BatchJob, to: string): Promise<void> {
  const { body } = await client.transfer('GET', `${pathOf(id)}/data`);
  const progress = new Progress(io, output?.bytes);
  const read = Readable.fromWeb(body as ReadableStream<Uint8Array>);
  read.on('data', (bytes: Uint8Array) => progress.add(to, bytes.length));
  try {
    await pipeline(read, createWriteStream(to));
  } catch (cause) {
    throw new CliError(`${to} cannot be written whole: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.refused, { cause });
  } finally {
    progress.end();
  }
}

function pathOf(id: string): string {
  return `${PATH}/${encodeURIComponent(id)}`;
}

/** One line about a job that is under way. */
export function progressText({ model, version, progress }: BatchJob): string {
  const { stage, rows, totalRows, failedRows } = progress;
  const share = totalRows === 0 ? 100 : Math.floor((100 * rows) / totalRows);
  const failed = failedRows === 0 ? '' : `, ${failedRows} failed`;
  return `${model}/${version}  ${stage}  ${rows} of ${totalRows} rows (${share}%)${failed}`;
}

/** A last line that says it all. */
export function batchText({ id, status, model, version, progress, output, error }: BatchJob, to?: string): string {
  const { rows, totalRows, failedRows } = progress;
  const why = error === undefined ? '' : `: ${error}`;
  const missing = to === undefined || status === 'running' ? '' : `; ${to} was not written`;
  const where = output === undefined ? missing : `; ${placeOf(output, to)}`;
  return `batch job ${id} of ${model}/${version} is ${status}${why}; ${rows} of ${totalRows} rows scored, ${failedRows} failed${where}\n`;
}

function placeOf({ uri, table: name, deletedAt }: NonNullable<BatchJob['output']>, to?: string): string {
  if (deletedAt !== undefined) return `its output was deleted at ${deletedAt}`;
  return [to ?? uri ?? '', ...(name === null ? [] : [name])].join(', ');
}
