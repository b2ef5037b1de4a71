import type { RecordedRow } from '@millrace/onnx';
import { readFile } from 'node:fs/promises';
import type { MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import { merged, PartitionReader, type TopicView } from '../commands/event-stream.js';

const PREDICTIONS = 'millrace.inference.predictions';
/** Newest records of the log that are looked through for a model's, over all partitions. */
const RECORDS_READ = 40_000;

interface Prediction {
  readonly model?: string;
  readonly error?: unknown;
  readonly rows?: readonly {
    readonly request?: Readonly<Record<string, unknown>> | null;
    readonly features?: Readonly<Record<string, unknown>> | null;
    readonly inputs?: Readonly<Record<string, unknown>> | null;
    readonly outputs?: Readonly<Record<string, unknown>> | null;
  }[];
}

/** The newest `most` rows that versions of a model have answered, from the prediction log, in the order they were asked. */
export async function rowsOfLog(client: MillraceClient, model: string, most: number): Promise<RecordedRow[]> {
  const { topics } = await client.json<{ topics: readonly TopicView[] }>('GET', '/api/v1/events');
  const topic = topics.find(({ name }) => name === PREDICTIONS);
  if (!topic) return [];
  const from = `-${Math.ceil(RECORDS_READ / topic.partitions.length)}`;
  const readers = topic.partitions.map((_, partition) => new PartitionReader(client, PREDICTIONS, partition, from));
  const found: RecordedRow[] = [];
  for await (const { data } of merged(readers.map((reader) => reader.upToEnd()))) {
    const prediction = data as Prediction | undefined;
    if (prediction?.model !== model || (prediction.error ?? null) !== null) continue;
    for (const { request, features, inputs, outputs } of prediction.rows ?? []) {
      const values = request || features ? { ...features, ...request } : null;
      if (inputs || values) found.push({ inputs: inputs ?? null, features: values, outputs: outputs ?? null });
    }
    if (found.length > 2 * most) found.splice(0, found.length - most);
  }
  return found.slice(-most);
}

/** Rows of a file, one a line: `{"inputs": {"x": [0.1, 0.2]}}` or `{"features": {"distance": 210}}`, as `millrace models rows` writes them. */
export async function rowsOfFile(path: string): Promise<RecordedRow[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new CliError(`--rows ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.usage, { cause });
  }
  const lines = text.split('\n').map((line, index) => ({ line, place: `${path}, line ${index + 1}` }));
  return lines.filter(({ line }) => line.trim() !== '').map(({ line, place }) => recordedRow(line, place));
}

function recordedRow(line: string, place: string): RecordedRow {
  try {
    const row = JSON.parse(line) as RecordedRow | null;
    if (isObject(row?.inputs) || isObject(row?.features)) return row as RecordedRow;
  } catch {
    // Said below.
  }
  throw new CliError(`${place}: expected {"inputs": {...}} or {"features": {...}}`, EXIT.usage);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
