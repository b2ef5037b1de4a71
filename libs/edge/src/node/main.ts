import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EdgeRunner, type EdgeRequest } from '../core/edge-runner.js';
import { isGraphOf, readManifest, type EdgeManifest } from '../core/manifest.js';
import { Predictor } from '../core/predictor.js';
import { Uploader } from '../core/uploader.js';
import { FileQueue } from './file-queue.js';
import { openNodeSession } from './node-session.js';
import { REFUSED } from './refused-file.js';

const HELP = `node run.mjs [options] < rows.jsonl > predictions.jsonl

A row a line, {"features": {"distance": 210}} or {"inputs": {"x": [0.1, 0.2]}}, with "unit" where labels are joined by one. Answers a line each, in order.
Each answer waits in the queue before it is written, until it is sent to the platform.

  --upload          send what waits once the rows have ended; exit code 1 when anything is left or was refused
  --every <s>       send while rows come, every so many seconds
  --retry-refused   let what the platform refused wait once more, to be sent with --upload or --every
  --queue <dir>     where answers wait (default: queue beside this file); one process each
  --platform <url>  where the platform is (default: as manifest.json has it)
  --help            this text

MILLRACE_API_KEY holds the key, where the platform asks for one.
`;

const EXPORT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      upload: { type: 'boolean', default: false },
      every: { type: 'string' },
      'retry-refused': { type: 'boolean', default: false },
      queue: { type: 'string', default: join(EXPORT, 'queue') },
      platform: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const manifest = readManifest(JSON.parse(await readFile(join(EXPORT, 'manifest.json'), 'utf8')));
  const everySeconds = values.every === undefined ? undefined : Number(values.every);
  if (everySeconds !== undefined && !(everySeconds > 0 && everySeconds <= 86_400))
    throw new Error(`--every ${values.every} is not a number of seconds up to 86400`);
  const queue = await FileQueue.open({ directory: values.queue, limit: manifest.queue.limit, now: Date.now });
  try {
    if (values['retry-refused']) process.stderr.write(`${await queue.retryRefused()} wait once more\n`);
    return await work(manifest, queue, {
      isUploading: values.upload,
      everySeconds,
      platform: values.platform,
      refusedFile: join(values.queue, REFUSED),
    });
  } finally {
    await queue.close();
  }
}

interface WorkOptions {
  readonly isUploading: boolean;
  readonly everySeconds: number | undefined;
  readonly platform: string | undefined;
  /** Where refused predictions lie, as it is told. */
  readonly refusedFile: string;
}

async function work(manifest: EdgeManifest, queue: FileQueue, options: WorkOptions): Promise<number> {
  const { isUploading, everySeconds, platform, refusedFile } = options;
  let refusedNow = 0;
  const tell = (count: number, reason: string): void => {
    refusedNow += count;
    process.stderr.write(`${count} refused, and put aside in ${refusedFile}: ${reason}\n`);
  };
  const uploader = isUploading || everySeconds !== undefined ? uploaderOf(manifest, queue, platform, tell) : undefined;
  const timer = everySeconds === undefined ? undefined : setInterval(() => uploader?.offered(), everySeconds * 1000);
  const failed = await answerRows(manifest, queue);
  clearInterval(timer);
  if (uploader) await uploader.flush();
  uploader?.close();
  const { waiting, sent, dropped, refused } = await queue.counts();
  process.stderr.write(`${waiting} waiting, ${sent} sent, ${dropped} dropped, ${refused} refused\n`);
  if (uploader?.state.kind === 'waiting') process.stderr.write(`not sent: ${uploader.state.reason}\n`);
  if (refusedNow > 0) process.stderr.write('once that is mended there, --retry-refused sends them again\n');
  return failed > 0 || (isUploading && waiting + refusedNow > 0) ? 1 : 0;
}

/** Answers the rows of standard input in their order. Gives how many could not be answered; each is told with its line. */
async function answerRows(manifest: EdgeManifest, queue: FileQueue): Promise<number> {
  let runner: EdgeRunner | undefined;
  let [line, failed] = [0, 0];
  for await (const text of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    line++;
    if (text.trim() === '') continue;
    runner ??= await openRunner(manifest, queue);
    try {
      const answer = await runner.predict(requestIn(text));
      process.stdout.write(`${JSON.stringify(answer)}\n`);
    } catch (error) {
      failed++;
      process.stderr.write(`line ${line}: ${messageOf(error)}\n`);
    }
  }
  return failed;
}

async function openRunner(manifest: EdgeManifest, queue: FileQueue): Promise<EdgeRunner> {
  const bytes = new Uint8Array(await readFile(join(EXPORT, manifest.graph.file)));
  if ((await isGraphOf(manifest, bytes)) === false)
    throw new Error(
      `${manifest.graph.file} is not the graph that was exported: its SHA-256 is another than that of manifest.json; export it again`,
    );
  const predictor = new Predictor(manifest, await openNodeSession(manifest, bytes));
  return new EdgeRunner({ predictor, queue, now: Date.now, elapsed: () => performance.now() });
}

function uploaderOf(
  manifest: EdgeManifest,
  queue: FileQueue,
  platform: string | undefined,
  refused: (count: number, reason: string) => void,
): Uploader {
  const url = platform ?? manifest.upload?.url ?? undefined;
  if (url === undefined) throw new Error('manifest.json does not say where the platform is; give --platform');
  return new Uploader({
    ...{ queue, url, refused, batch: manifest.upload?.batch ?? 200, fetch, now: Date.now, random: Math.random },
    apiKey: () => process.env['MILLRACE_API_KEY'],
    after: (milliseconds, then) => {
      const timer = setTimeout(then, milliseconds);
      return () => clearTimeout(timer);
    },
  });
}

function requestIn(text: string): EdgeRequest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`not JSON: ${messageOf(error)}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('a row is an object');
  const { inputs, features, unit } = value as Record<string, unknown>;
  for (const [name, given] of Object.entries({ inputs, features }))
    if (given !== undefined && given !== null && (typeof given !== 'object' || Array.isArray(given)))
      throw new Error(`"${name}" is no object`);
  if (unit !== undefined && unit !== null && typeof unit !== 'string') throw new Error('"unit" is no text');
  return { inputs, features, unit } as EdgeRequest;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
