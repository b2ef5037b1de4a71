import { definitions, eventually, logModel, PlatformClient, trainLogisticRegression } from '@millrace/example-flights';
import type { Topology } from '@millrace/testing';
import type { SeededRandom } from '../random.js';
import type { FlightStream, Lane } from './flight-stream.js';
import { afterAll, airportsAt } from './truth.js';

export interface ConsistencyOptions {
  readonly topology: Topology;
  readonly stream: FlightStream;
  /** Vectors to serve in all, about, while the events arrive. */
  readonly vectors: number;
  readonly random: SeededRandom;
  /** Empties the online store: while the platform runs, or between a stop and a start. */
  readonly emptyOnlineStore: () => Promise<void>;
  readonly say: (line: string) => void;
}

export interface ConsistencyResult {
  readonly kind: Topology['kind'];
  readonly events: number;
  /** Flights that stand in the offline store at the end. */
  readonly standing: number;
  /** Vectors answered. */
  readonly served: number;
  /** Of them on the log: a process that is killed takes along what it has answered in its last moment. */
  readonly vectors: number;
  readonly compared: number;
  readonly mismatches: number;
  readonly unverifiable: Readonly<Record<string, number>>;
  /** Airports whose features at the end are not those counted from the flights. */
  readonly wrongAirports: readonly string[];
  readonly seconds: number;
}

const SOURCE = '/api/v1/sources/flights';
const SERVICE = 'delay_model';
const DEPLOYMENT = 'consistency';
/** Events between two questions. */
const SLICE = 4_000;
/** Requests at once; an airport's events go through one of them, so their order is kept as a producer of keyed records keeps it. */
const LANES = 4;
const CATCH_UP_MS = 1_800_000;
/** Vectors of one call of the check: it answers before a client gives up. */
const VERIFIED_AT_ONCE = 10_000;

/**
 * Sends the stream, has vectors served meanwhile, kills a service with SIGKILL when a third has been sent and empties the online store after two thirds. Then
 * every served vector is recomputed from the offline store, and the airports' features are held against a plain count.
 */
export async function consistency(options: ConsistencyOptions): Promise<ConsistencyResult> {
  const { topology, stream, say } = options;
  const started = Date.now();
  await topology.start();
  try {
    const client = new PlatformClient(topology.url, topology.clickhouseUrl);
    await prepare(client);
    const third = Math.ceil(stream.length / 3);
    const feed = new Feed(options, client);
    await feed.send(third, () => killOne(options));
    await feed.send(2 * third);
    await options.emptyOnlineStore();
    say(`${topology.kind}: the online store is emptied`);
    await feed.send(stream.length);
    await eventually(
      'the online store',
      () => client.get<{ lag: number }>(SOURCE),
      ({ lag }) => lag === 0,
      CATCH_UP_MS,
    );
    const [offline] = await eventually(
      'every flight in the offline store',
      () => client.sql<{ n: string }>('SELECT uniqExact(id) AS n FROM millrace.source_flights'),
      ([row]) => Number(row?.n) >= stream.counts.flights,
      CATCH_UP_MS,
    );
    say(`${topology.kind}: ${feed.served} vectors served while ${stream.length} events arrived; recomputing them`);
    const verified = await verifyAll(client, say);
    return {
      kind: topology.kind,
      events: stream.length,
      standing: Number(offline?.n),
      served: feed.served,
      ...verified,
      wrongAirports: await wrongAirports(client, stream),
      seconds: Math.round((Date.now() - started) / 1000),
    };
  } finally {
    await topology.stop();
  }
}

/** Definitions, and a model that takes every feature; what it answers is of no interest here. */
async function prepare(client: PlatformClient): Promise<void> {
  await client.post('/api/v1/apply', definitions('resources.yaml'), 'application/yaml');
  const isThere = (): Promise<boolean> => client.post(`${SOURCE}/events`, '', 'application/x-ndjson').then(() => true);
  await eventually('source flights', isThere, Boolean);
  const features = [...definitions('resources.yaml').matchAll(/name: (\w+), aggregate/g)].map(([, name]) => name as string);
  const trained = trainLogisticRegression({ features, columns: features.map(() => Float64Array.of(0, 1)), labels: Uint8Array.of(0, 1) });
  const model = { name: DEPLOYMENT, trained, heldOut: trained.quality, trainingSet: 'none', featureService: SERVICE, alias: DEPLOYMENT };
  await logModel(client, model);
  await client.post(
    '/api/v1/apply',
    `apiVersion: millrace.dev/v1\nkind: Deployment\nmetadata: {name: ${DEPLOYMENT}}\nspec: {model: "models:/flight-delay@${DEPLOYMENT}", featureService: ${SERVICE}}`,
    'application/yaml',
  );
  await eventually('the deployment', () => client.get(`/v2/models/${DEPLOYMENT}/ready`).then(() => true), Boolean);
}

/** Sends events as a producer that tries again until it has an answer, and asks for vectors as an application would, all the while. */
class Feed {
  served = 0;
  #sent = 0;

  constructor(
    private readonly options: ConsistencyOptions,
    private readonly client: PlatformClient,
  ) {}

  /** Up to before `end`; `half` runs beside it when half of this part has been sent. */
  async send(end: number, half?: () => Promise<void>): Promise<void> {
    const middle = this.#sent + (end - this.#sent) / 2;
    let beside: Promise<void> | undefined;
    let asked: Promise<void> | undefined;
    while (this.#sent < end) {
      const from = this.#sent;
      const to = Math.min(from + SLICE, end);
      const lanes = this.options.stream.lanes(from, to, LANES);
      const sending = Promise.all(lanes.map((lane) => this.#append(lane)));
      if (half && !beside && to >= middle) beside = half();
      await Promise.all([sending, asked]);
      asked = this.#ask(from, to);
      this.#sent = to;
      this.#tell(from);
    }
    await Promise.all([asked, beside]);
  }

  async #append({ body, events }: Lane): Promise<void> {
    if (events === 0) return;
    const append = (): Promise<{ accepted: number }> => this.client.post(`${SOURCE}/events`, body, 'application/x-ndjson');
    await eventually(`${events} events`, append, ({ accepted }) => accepted === events, CATCH_UP_MS);
  }

  /** Flights of these events, as of the time that the stream has come to. Not answered is not served. */
  async #ask(from: number, to: number): Promise<void> {
    const { stream, random, vectors } = this.options;
    const rows = Math.ceil((vectors * (to - from)) / stream.length);
    const flights = Array.from({ length: rows }, () => stream.at(random.between(from, to - 1)));
    const text = (name: 'origin' | 'destination'): object => ({
      name,
      shape: [rows],
      datatype: 'BYTES',
      data: flights.map((flight) => flight[name]),
    });
    const body = {
      parameters: { event_time: new Date(stream.at(to - 1).departed).toISOString() },
      inputs: [
        text('origin'),
        text('destination'),
        { name: 'distance', shape: [rows], datatype: 'FP32', data: flights.map(({ distance }) => distance) },
      ],
    };
    const isServed = await this.client.post(`/v2/models/${DEPLOYMENT}/infer`, body).then(
      () => true,
      () => false,
    );
    if (isServed) this.served += rows;
  }

  #tell(from: number): void {
    const { say, stream, topology } = this.options;
    const tenth = (events: number): number => Math.floor((events * 10) / stream.length);
    if (tenth(this.#sent) > tenth(from))
      say(`${topology.kind}: ${this.#sent} of ${stream.length} events sent, ${this.served} vectors served`);
  }
}

/** The process that has the features: embedded the only one. */
async function killOne({ topology, say }: ConsistencyOptions): Promise<void> {
  const victim = topology.services.find(({ name }) => name === 'features' || name === 'platform');
  if (!victim) throw new Error('no process of the topology has the features');
  await victim.kill();
  say(`${topology.kind}: ${victim.name} is killed`);
  await victim.start();
}

interface Verified {
  vectors: number;
  compared: number;
  mismatches: number;
  unverifiable: Record<string, number>;
}

async function verifyAll(client: PlatformClient, say: (line: string) => void): Promise<Verified> {
  // The check waits until the table holds what is on the log; of so long ago there is nothing to check.
  await client.post('/api/v1/features/verify', { to: '1970-01-01T00:00:00Z' });
  const logged = await client.sql<{ at: string; rows: string }>(
    `SELECT toUnixTimestamp64Milli(time) AS at, count() AS rows FROM millrace.predictions FINAL WHERE deployment = '${DEPLOYMENT}' AND features != '{}' GROUP BY at ORDER BY at`,
  );
  const total: Verified = { vectors: 0, compared: 0, mismatches: 0, unverifiable: {} };
  let rows = 0;
  let from: number | undefined;
  for (const [index, { at, rows: more }] of logged.entries()) {
    from ??= Number(at);
    rows += Number(more);
    total.vectors += Number(more);
    if (rows < VERIFIED_AT_ONCE && index < logged.length - 1) continue;
    const selection = { deployment: DEPLOYMENT, from: new Date(from).toISOString(), to: new Date(Number(at) + 1).toISOString() };
    const found = await client.post<Verified & { examples: unknown[] }>('/api/v1/features/verify', selection);
    total.compared += found.compared;
    total.mismatches += found.mismatches;
    for (const [reason, count] of Object.entries(found.unverifiable))
      total.unverifiable[reason] = (total.unverifiable[reason] ?? 0) + count;
    for (const example of found.examples.slice(0, 3)) say(`mismatch: ${JSON.stringify(example)}`);
    say(`${total.compared} vectors recomputed, ${total.mismatches} mismatches`);
    [rows, from] = [0, undefined];
  }
  return total;
}

/** Airports whose online features are not what a plain count over the flights gives. */
async function wrongAirports(client: PlatformClient, stream: FlightStream): Promise<string[]> {
  const at = afterAll(stream);
  const expected = airportsAt(stream, at);
  const origins = [...expected.keys()];
  const body = { features: ['origin_delays'], entities: { origin: origins }, at };
  const answer = await client.post<{ metadata: { feature_names: string[] }; results: { values: unknown[] }[] }>(
    '/get-online-features',
    body,
  );
  const wrong: string[] = [];
  for (const [row, origin] of origins.entries()) {
    for (const [name, want] of Object.entries(expected.get(origin) ?? {})) {
      const found = answer.results[answer.metadata.feature_names.indexOf(name)]?.values[row];
      if (found !== want) wrong.push(`${origin}: ${name} is ${String(found)}, and ${String(want)} by count`);
    }
  }
  return wrong;
}
