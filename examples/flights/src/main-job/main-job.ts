import { createHash } from 'node:crypto';
import { definitions } from '../definitions.js';
import type { Flight, Flights } from '../flights.js';
import { qualityOf, type Quality } from '../quality.js';
import { probabilitiesOf, trainLogisticRegression, type TrainedModel } from '../trainer.js';
import { ingest } from './ingest.js';
import { logModel } from './log-model.js';
import { eventually, type PlatformClient } from './platform-client.js';
import type { Check, MainJobReport, Progress } from './report.js';
import { isLate, LATE_MINUTES, predict, sendLabels, type Served } from './serve.js';
import { buildTrainingSet, tableOf, type TrainingRows } from './training-set.js';

export interface MainJobOptions {
  /** Rows of the training set, about. */
  readonly trainingRows?: number;
  /** Flights predicted while the last part of the stream arrives. */
  readonly predictions?: number;
  readonly progress?: Progress;
}

const ORIGIN = [
  'origin_departures_1h',
  'origin_delay_mean_1h',
  'origin_delay_max_1h',
  'origin_departures_6h',
  'origin_delay_mean_6h',
  'origin_delay_max_6h',
];
const ORIGIN_DAY = ['origin_departures_24h', 'origin_delay_mean_24h', 'origin_delay_max_24h'];
const ROUTE = [
  'route_departures_24h',
  'route_delay_mean_24h',
  'route_delay_max_24h',
  'route_departures_7d',
  'route_delay_mean_7d',
  'route_delay_max_7d',
];
/** What the two models see: the champion how late planes are now, the challenger only what the week was like on the route. */
const FEATURES = {
  champion: [...ORIGIN, ...ORIGIN_DAY, ...ROUTE, 'distance'],
  challenger: ['route_departures_7d', 'route_delay_mean_7d', 'distance'],
} as const;

/** Share of the stream that has arrived before the model is trained; the rest arrives while it serves. */
const HISTORY = 0.8;
const SLICES = 10;
/** The later part of the training set is held out: later flights, as in life. */
const TRAINED_ON = 0.75;

/**
 * The main job, over public protocols only: events in, features kept, training set, models trained, logged and registered, predictions from keys,
 * labels, an experiment, and the analyst's view; with what must be true checked at the end.
 */
export async function mainJob(client: PlatformClient, flights: Flights, options: MainJobOptions = {}): Promise<MainJobReport> {
  const { trainingRows = 20_000, predictions = 2_000, progress = () => undefined } = options;
  const history = Math.floor(flights.length * HISTORY);

  progress('apply definitions');
  await client.post('/api/v1/apply', definitions('resources.yaml'), 'application/yaml');
  await eventually(
    'source flights',
    () => client.post('/api/v1/sources/flights/events', '', 'application/x-ndjson').then(() => true, notFound),
    Boolean,
  );

  const ingestStarted = performance.now();
  let sent = 0;
  const count = (events: number): void => progress('flights arrive', (sent += events), history);
  await ingest(client, flights, 0, history, count);
  await arrived(client, history);
  const eventsPerSecond = history / ((performance.now() - ingestStarted) / 1000);

  progress('training set, point in time');
  const training = await buildTrainingSet(client, spineSql(history, trainingRows));
  const split = Math.floor(training.rows.length * TRAINED_ON);
  const fit = training.rows.slice(0, split);
  const held = training.rows.slice(split);

  progress('train, log, register');
  const models = {} as Record<keyof typeof FEATURES, { trained: TrainedModel; quality: Quality }>;
  for (const name of ['challenger', 'champion'] as const) {
    const trained = trainLogisticRegression(tableOf(fit, FEATURES[name]));
    const heldTable = tableOf(held, FEATURES[name]);
    const quality = qualityOf(heldTable.labels, probabilitiesOf(trained.model, heldTable));
    models[name] = { trained, quality };
    await logModel(client, {
      name,
      trained,
      heldOut: quality,
      trainingSet: training.id,
      featureService: training.featureService,
      alias: name,
    });
  }
  await client.post('/api/v1/apply', definitions('serving.yaml'), 'application/yaml');
  await eventually('deployment delay', () => client.get('/v2/models/delay/ready').then(() => true, notFound), Boolean);

  const served = await serveLaterFlights(client, flights, history, predictions, progress);

  progress('compare, verify, look from the analyst’s side');
  return report(client, { flights, history, eventsPerSecond, training, held: held.length, models, served });
}

/** The rest of the stream arrives in slices; after each, some of its flights are asked for as of their scheduled time, and the truth follows. */
async function serveLaterFlights(
  client: PlatformClient,
  flights: Flights,
  history: number,
  predictions: number,
  progress: Progress,
): Promise<Served[]> {
  const served: Served[] = [];
  const later = flights.length - history;
  const every = Math.max(1, Math.floor(later / predictions));
  for (let slice = 0; slice < SLICES; slice++) {
    const start = history + Math.floor((later * slice) / SLICES);
    const end = history + Math.floor((later * (slice + 1)) / SLICES);
    await ingest(client, flights, start, end, () => undefined);
    await arrived(client, end);
    const asked: Flight[] = [];
    for (let index = start; index < end; index += every) asked.push(flights.at(index));
    const answers = await predict(client, asked, () => undefined);
    progress('predict later flights', served.push(...answers), predictions);
    await sendLabels(client, answers);
  }
  return served;
}

/** Both stores have what was sent: the online store because it answers at the last event's position, the offline table by its count, which costs more to ask for. */
async function arrived(client: PlatformClient, events: number): Promise<void> {
  await eventually(
    'the online store to catch up',
    () => client.get<{ lag: number }>('/api/v1/sources/flights'),
    ({ lag }) => lag === 0,
    300_000,
  );
  const query = 'SELECT uniqExact(id) AS events FROM millrace.source_flights';
  await eventually(
    `${events} events in the offline store`,
    () => client.sql<{ events: string }>(query),
    ([row]) => Number(row?.events) >= events,
    300_000,
  );
}

/** Sampled by a hash of the id, so that any run over the same flights takes the same rows; labels of all of them are known. */
function spineSql(events: number, rows: number): string {
  const every = Math.max(1, Math.round(events / rows));
  return `SELECT id, origin, destination, toFloat32(distance) AS distance, date AS timestamp, toUInt8(delay > ${LATE_MINUTES}) AS late
          FROM millrace.source_flights FINAL WHERE cityHash64(id) % ${every} = 0 ORDER BY date, id`;
}

interface Done {
  readonly flights: Flights;
  readonly history: number;
  readonly eventsPerSecond: number;
  readonly training: TrainingRows;
  readonly held: number;
  readonly models: Record<keyof typeof FEATURES, { trained: TrainedModel; quality: Quality }>;
  readonly served: readonly Served[];
}

async function report(client: PlatformClient, done: Done): Promise<MainJobReport> {
  const { flights, training, models, served } = done;
  const logged = await eventually(
    'the predictions in the offline store',
    () =>
      client.sql<{ unit: string; features: string }>(
        "SELECT unit, features FROM millrace.predictions FINAL WHERE deployment = 'delay' ORDER BY unit",
      ),
    (rows) => rows.length >= served.length,
  );
  const verified = await client.post<{ compared: number; mismatches: number }>('/api/v1/features/verify', { deployment: 'delay' });
  const labelled = await eventually(
    'the labels beside their predictions',
    () =>
      client.sql<{ n: string }>("SELECT count() AS n FROM millrace.predictions_labelled WHERE deployment = 'delay' AND label IS NOT NULL"),
    ([row]) => Number(row?.n) >= served.length,
  );
  const experiment = await client.get<ExperimentResults>('/api/v1/experiments/delay-ab/results');
  const latencies = served.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  const quantile = (q: number): number => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0;
  const { champion, challenger } = models;
  const featureDigest = digest([...training.rows, ...logged]);
  const checks = checksOf(done, { logged: logged.length, labelled: Number(labelled[0]?.n), verified, experiment });
  return {
    events: flights.length,
    eventsPerSecond: Math.round(done.eventsPerSecond),
    trainingRows: training.rows.length,
    quality: { champion: champion.quality, challenger: challenger.quality, heldOutRows: done.held },
    predictions: served.length,
    latencyMs: { p50: quantile(0.5), p99: quantile(0.99) },
    verified,
    experiment,
    featureDigest,
    checks,
  };
}

interface ExperimentResults {
  readonly variants: readonly { readonly name: string; readonly units: number }[];
}

function checksOf(
  done: Done,
  seen: { logged: number; labelled: number; verified: { compared: number; mismatches: number }; experiment: ExperimentResults },
): Check[] {
  const { champion } = done.models;
  const { served, training } = done;
  const units = seen.experiment.variants.reduce((sum, variant) => sum + variant.units, 0);
  const servedQuality = qualityOf(
    served.map(({ flight }) => isLate(flight)),
    served.map(({ probability }) => probability),
  );
  return [
    check('the training set has rows and no leak: as many as the spine', training.rows.length > 0, `${training.rows.length} rows`),
    check(
      'the champion knows more than the base rate on held-out later flights',
      champion.quality.brier < champion.quality.baseBrier,
      `Brier ${champion.quality.brier.toFixed(4)} against ${champion.quality.baseBrier.toFixed(4)}`,
    ),
    check('served probabilities rank late flights above others', (servedQuality.auc ?? 0) > 0.5, `AUC ${servedQuality.auc?.toFixed(3)}`),
    check('every prediction is on the log, once', seen.logged === served.length, `${seen.logged} of ${served.length}`),
    check('every label has met its prediction', seen.labelled === served.length, `${seen.labelled} of ${served.length}`),
    check(
      'served features equal the offline store’s, bit for bit',
      seen.verified.mismatches === 0 && seen.verified.compared >= served.length,
      `${seen.verified.mismatches} mismatches in ${seen.verified.compared} vectors`,
    ),
    check(
      'the experiment has seen every unit in one variant',
      units === new Set(served.map(({ flight }) => flight.id)).size,
      `${units} units`,
    ),
  ];
}

function check(name: string, ok: boolean, detail: string): Check {
  return { name, ok, detail };
}

/** Over canonical texts of rows, in their order. */
function digest(rows: readonly object[]): string {
  const hash = createHash('sha256');
  for (const row of rows)
    hash.update(JSON.stringify(row, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)) + '\n');
  return hash.digest('hex');
}

function notFound(error: unknown): boolean {
  if (error instanceof Error && /answered (404|503)/.test(error.message)) return false;
  throw error;
}
