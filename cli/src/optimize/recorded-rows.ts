import { exactJsonText } from '@millrace/kernel';
import type { RecordedRow, Truth } from '@millrace/onnx';
import { readFile } from 'node:fs/promises';
import type { MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import { merged, PartitionReader, type TopicView } from '../commands/event-stream.js';

const PREDICTIONS = 'millrace.inference.predictions';
const LABELS = 'millrace.inference.labels';
/** Newest records of the log that are looked through for a model's, over all partitions. */
const RECORDS_READ = 40_000;

interface Prediction {
  readonly predictionId?: string;
  readonly deployment?: string | null;
  readonly featureTime?: number | null;
  readonly model?: string;
  readonly error?: unknown;
  readonly edge?: unknown;
  readonly rows?: readonly {
    readonly row?: number;
    readonly unit?: string | null;
    readonly request?: Readonly<Record<string, unknown>> | null;
    readonly features?: Readonly<Record<string, unknown>> | null;
    readonly inputs?: Readonly<Record<string, unknown>> | null;
    readonly outputs?: Readonly<Record<string, unknown>> | null;
  }[];
}

interface Label {
  readonly name: string;
  readonly deployment: string;
  readonly predictionId: string | null;
  readonly row: number;
  readonly unit: string | null;
  readonly predictedAt: number | null;
  readonly value: Truth;
}

/**
 * The newest `most` rows that versions of a model have answered, from the prediction log, in the order they were asked; with the truth of each
 * where a label of the name given tells it. Whole numbers that a double does not hold are bigints.
 */
export async function rowsOfLog(client: MillraceClient, model: string, most: number, label: string): Promise<RecordedRow[]> {
  const found: { recorded: RecordedRow; keys: readonly string[] }[] = [];
  const uploaded = new Set<string>();
  for await (const data of newestOf(client, PREDICTIONS)) {
    const prediction = data as Prediction;
    if (prediction.model !== model || (prediction.error ?? null) !== null) continue;
    const { predictionId = '', deployment, featureTime } = prediction;
    // A device may have sent it twice; the first counts.
    if (prediction.edge && uploaded.size === uploaded.add(predictionId).size) continue;
    for (const { row = 0, unit, request, features, inputs, outputs } of prediction.rows ?? []) {
      const values = request || features ? { ...features, ...request } : null;
      const keys = [byPrediction(predictionId, row), byUnit(deployment, unit, featureTime)];
      if (inputs || values) found.push({ recorded: { inputs: inputs ?? null, features: values, outputs: outputs ?? null }, keys });
    }
    if (found.length > 2 * most) found.splice(0, found.length - most);
  }
  const truths = found.length === 0 ? new Map<string, Truth>() : await truthsOfLog(client, label);
  return found.slice(-most).map(({ recorded, keys: [first = '', second = ''] }) => {
    const truth = truths.get(first) ?? truths.get(second);
    return truth === undefined ? recorded : { ...recorded, truth };
  });
}

/** What came true, by the prediction, or by the unit and the time it was about; the last word counts. */
async function truthsOfLog(client: MillraceClient, name: string): Promise<Map<string, Truth>> {
  const truths = new Map<string, Truth>();
  for await (const data of newestOf(client, LABELS)) {
    const label = data as Label;
    if (label.name !== name) continue;
    const { predictionId, row, deployment, unit, predictedAt, value } = label;
    truths.set(predictionId === null ? byUnit(deployment, unit, predictedAt) : byPrediction(predictionId, row), value);
  }
  return truths;
}

function byPrediction(predictionId: string, row: number): string {
  return exactJsonText([predictionId, row]);
}

function byUnit(deployment: string | null | undefined, unit: string | null | undefined, at: number | null | undefined): string {
  return exactJsonText([deployment ?? null, unit ?? null, at ?? null]);
}

/** The data of a topic's newest records, by time. */
async function* newestOf(client: MillraceClient, name: string): AsyncGenerator<object> {
  const { topics } = await client.json<{ topics: readonly TopicView[] }>('GET', '/api/v1/events');
  const topic = topics.find((one) => one.name === name);
  if (!topic) return;
  const from = `-${Math.ceil(RECORDS_READ / topic.partitions.length)}`;
  const readers = topic.partitions.map((_, partition) => new PartitionReader(client, name, partition, from));
  for await (const { data } of merged(readers.map((reader) => reader.upToEnd()))) {
    if (typeof data === 'object' && data !== null) yield data;
  }
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

/** The same rows in doubles, which is what a model is tried with. */
export function inDoubles(rows: readonly RecordedRow[]): RecordedRow[] {
  return rows.map((row) => JSON.parse(exactJsonText(row)) as RecordedRow);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
