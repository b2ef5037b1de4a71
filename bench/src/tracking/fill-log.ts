// node bench/dist/tracking/fill-log.js DATA_DIR [--runs N] [--points POINTS_A_RUN] [--experiments N] [--history POINTS] [--from RUN]
// Writes runs and metric points into the embedded log of a data directory no process is using, as the tracking service would have appended them. What
// starts there afterwards folds and projects them as it does any log: nothing is put into a store past the log.
import { PARTITIONS, TOPICS, decisionsTopic } from '@millrace/contracts';
import { encodeDecision, encodeFact, partitionOf, type NewRecord } from '@millrace/event-log';
import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

export interface Fill {
  readonly runs: number;
  /** The first run to write, when those before it are on the log already. Default 0. */
  readonly from?: number;
  /** Over all of a run's metrics. */
  readonly pointsPerRun: number;
  readonly experiments: number;
  /** Points of the one long history, metric `long` of the first run. */
  readonly history: number;
}

export const METRICS = ['loss', 'accuracy', 'val_loss', 'val_accuracy', 'auc'];
export const START_MS = 1_700_000_000_000;
const DECISIONS = decisionsTopic('tracking');
const POINTS = TOPICS.metricPoints.name;
const RECORDS_AN_APPEND = 2_000;
const POINTS_A_RECORD = 1_000;

export function runIdOf(index: number): string {
  return createHash('md5').update(`run ${index}`).digest('hex');
}

/** What run `index` has: the same for whoever fills a database with it. */
export function paramsOf(index: number): Record<string, string> {
  const draw = (salt: number) => ((index + 1) * (2654435761 + salt * 40503)) % 4294967296;
  return {
    lr: (10 ** (-1 - (draw(1) % 400) / 100)).toPrecision(4),
    batch_size: String(16 << (draw(2) % 5)),
    optimizer: ['adam', 'sgd', 'rmsprop'][draw(3) % 3] as string,
    depth: String(draw(4) % 12),
    dropout: String((draw(5) % 50) / 100),
    seed: String(index),
  };
}

export function metricValue(index: number, metric: number, step: number): number {
  const draw = ((index + 1) * (2246822519 + metric * 3266489917)) % 4294967296;
  return draw / 4294967296 + 0.001 * Math.sin(step);
}

/** Appends it all; experiments get the ids 1 to `experiments`. */
export async function fillLog(dataDirectory: string, { runs, from = 0, pointsPerRun, experiments, history }: Fill): Promise<void> {
  mkdirSync(join(dataDirectory, 'log'), { recursive: true });
  const log = await LmdbEventLog.open({ path: join(dataDirectory, 'log', 'log.mdb') });
  for (const name of [DECISIONS, POINTS]) await log.ensureTopic({ name, partitions: PARTITIONS, retention: 'forever' });
  let records: NewRecord[] = [];
  let bytes = 0;
  const append = async (record: NewRecord): Promise<void> => {
    records.push({ ...record, partition: partitionOf(record.key, PARTITIONS) });
    bytes += record.value.length;
    if (records.length < RECORDS_AN_APPEND && bytes < 8 << 20) return;
    await log.append(records);
    [records, bytes] = [[], 0];
  };
  const decide = (subject: string, sequence: number, type: string, data: object): Promise<void> => {
    const id = `${subject}#${sequence}`;
    return append(
      encodeDecision(DECISIONS, 'tracking', {
        id,
        type,
        version: 1,
        subject,
        sequence,
        commandId: id,
        actor: 'bench',
        time: START_MS,
        data,
      }),
    );
  };
  for (let id = 0; from === 0 && id <= experiments; id++) {
    const name = id === 0 ? 'Default' : `experiment ${id}`;
    await decide('experiments/catalog', id + 1, 'ExperimentCreated', {
      ...{ experimentId: String(id), name, artifactLocation: `mlflow-artifacts:/${id}`, tags: {} },
    });
  }
  for (let index = from; index < runs; index++) {
    const [runId, experimentId] = [runIdOf(index), String(1 + (index % experiments))];
    const [subject, startTime] = [`run/${runId}`, START_MS + index * 1000];
    const name = `run-${index}`;
    const tags = { 'mlflow.user': 'bench', 'mlflow.source.name': 'train.py', 'mlflow.source.type': 'LOCAL', 'mlflow.runName': name };
    const artifactUri = `mlflow-artifacts:/${experimentId}/${runId}/artifacts`;
    await decide(subject, 1, 'RunCreated', { runId, experimentId, name, userId: 'bench', startTime, artifactUri, tags });
    await decide(subject, 2, 'RunAnnotated', { params: paramsOf(index), tags: { team: `team ${index % 7}` } });
    await decide(subject, 3, 'RunFinished', { status: 'FINISHED', endTime: startTime + 500, name: null });
    const log1 = (first: number, key: (step: number) => string, count: number, value: (step: number) => number) => {
      const points = Array.from({ length: count }, (_, at) => ({
        key: key(first + at),
        value: value(first + at),
        timestamp: startTime + first + at,
        step: first + at,
      }));
      const fact = {
        id: `${runId}:${first}`,
        type: 'millrace.tracking.MetricPointsLogged.v1',
        source: '/millrace/tracking',
        time: startTime,
      };
      return append(encodeFact(POINTS, runId, { ...fact, subject, data: { runId, experimentId, points } }));
    };
    const stepOf = (place: number) => Math.floor(place / METRICS.length);
    for (let first = 0; first < pointsPerRun; first += POINTS_A_RECORD) {
      await log1(
        first,
        (place) => METRICS[place % METRICS.length] as string,
        Math.min(POINTS_A_RECORD, pointsPerRun - first),
        (place) => metricValue(index, place % METRICS.length, stepOf(place)),
      );
    }
    if (index > 0) continue;
    for (let first = 0; first < history; first += POINTS_A_RECORD) {
      await log1(
        first,
        () => 'long',
        Math.min(POINTS_A_RECORD, history - first),
        (step) => Math.sin(step / 1000),
      );
    }
  }
  if (records.length > 0) await log.append(records);
  await log.close();
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '100000' },
      from: { type: 'string', default: '0' },
      points: { type: 'string', default: '5' },
      experiments: { type: 'string', default: '1' },
      history: { type: 'string', default: '0' },
    },
  });
  const [directory] = positionals;
  if (directory === undefined) throw new Error('name the data directory to fill');
  const started = performance.now();
  await fillLog(directory, {
    ...{ runs: Number(values.runs), from: Number(values.from), pointsPerRun: Number(values.points) },
    ...{ experiments: Number(values.experiments), history: Number(values.history) },
  });
  console.log(`filled in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
