import { Flights } from '@millrace/example-flights';
import { startKafka, tempDir } from '@millrace/testing';
import { median, runAlone, type BenchResult } from '../bench-result.js';
import { fillTopic } from './flights-topic.js';
import { MillraceSide, OF_AIRPORTS, OF_BOTH, TUMBLING, type Expected } from './millrace-side.js';
import { QuixSide } from './quix-side.js';

const FLIGHTS = 400_000;
const FEW_FLIGHTS = 3_000;
const PARTITIONS = 4;
const ROUNDS = 3;
const TOPIC = 'flights';
const FEW_TOPIC = 'few_flights';
const DAY_MS = 86_400_000;
const FIVE_MINUTES_MS = 300_000;

/**
 * Flights from a topic through the features service into Redis and ClickHouse, beside Quix Streams on the same topic of the same broker: the same windows on
 * both sides, and our eighteen beside its cheapest. Quix is given one process, as the service has, and then, since it shares a topic among processes, one for each of
 * two cores. Its sliding windows are measured over the first flights only: they take it minutes.
 */
export async function run(): Promise<BenchResult[]> {
  const flights = await Flights.load(FLIGHTS);
  const few = await Flights.load(FEW_FLIGHTS);
  await using directory = await tempDir('bench-features');
  await using kafka = await startKafka({ jvmOptions: ['-Xmx1g', '-XX:TieredStopAtLevel=4'] });
  await fillTopic(kafka.brokers, TOPIC, PARTITIONS, flights);
  await fillTopic(kafka.brokers, FEW_TOPIC, PARTITIONS, few);
  const ours = new MillraceSide(directory.path, kafka.brokers, TOPIC);
  const theirs = await QuixSide.open(directory.path, kafka.brokers, TOPIC);
  const theirFew = await QuixSide.open(directory.path, kafka.brokers, FEW_TOPIC);
  const [sliding, tumbling] = [busiest(flights, DAY_MS), busiest(flights, 0)];
  const sides = {
    both: side((round) => ours.rate(`both-${round}`, FLIGHTS, OF_BOTH, sliding)),
    airports: side((round) => ours.rate(`airports-${round}`, FLIGHTS, OF_AIRPORTS, sliding)),
    tumbling: side((round) => ours.rate(`tumbling-${round}`, FLIGHTS, TUMBLING, tumbling)),
    quixOne: side((round) => theirs.rate(`one-${round}`, 1, FLIGHTS)),
    quixTwo: side((round) => theirs.rate(`two-${round}`, 2, FLIGHTS)),
    quixSliding: side((round) => theirFew.rate(`sliding-${round}`, 1, FEW_FLIGHTS, 'sliding')),
  };
  const all = Object.values(sides);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { rates, measure } of round % 2 === 0 ? all : [...all].reverse()) rates.push(await measure(round));
  }
  const rate = (name: keyof typeof sides): number => median(sides[name].rates);
  const same = 'flights through source, windows, Redis and ClickHouse; the same windows on both sides';
  const other =
    'flights through source, windows (2 entities, 3 windows x 3 aggregates), Redis and ClickHouse; peer: one 5-minute tumbling count and sum';
  return [
    compared(`${same}: 5-minute tumbling count and sum`, rate('tumbling'), rate('quixOne'), 8),
    compared(`${same}: sliding 1 h, 6 h and 24 h of count, mean and max`, rate('airports'), rate('quixSliding'), 8),
    compared(`${other}; 1 process each`, rate('both'), rate('quixOne'), 4),
    compared(`${other}; Quix in 2 processes`, rate('both'), rate('quixTwo')),
  ];
}

function side(measure: (round: number) => Promise<number>): { rates: number[]; measure: (round: number) => Promise<number> } {
  return { rates: [], measure };
}

function compared(metric: string, value: number, peerValue: number, target?: number): BenchResult {
  const ratio = value / peerValue;
  return {
    name: 'features',
    metric,
    value,
    unit: 'events/s',
    peer: QuixSide.label,
    peerValue,
    ratio,
    pass: target === undefined || ratio >= target,
    ...(target === undefined ? {} : { target: `>= ${target}x the peer` }),
  };
}

/**
 * The features of the busiest origin just after the last departure, worked out from the flights themselves: of a sliding window, or (0) of the 5-minute
 * window of that time.
 */
function busiest(flights: Flights, windowMs: number): Expected {
  const at = flights.at(flights.length - 1).departed + 1;
  const from = windowMs === 0 ? Math.floor(at / FIVE_MINUTES_MS) * FIVE_MINUTES_MS : at - windowMs;
  const byOrigin = new Map<string, number[]>();
  for (const { origin, departed, delay } of flights) {
    if (departed < from) continue;
    const delays = byOrigin.get(origin);
    if (delays) delays.push(delay);
    else byOrigin.set(origin, [delay]);
  }
  const [origin, delays] = [...byOrigin].reduce((most, next) => (next[1].length > most[1].length ? next : most));
  // Whole minutes: their sum is exact in any order.
  const sum = delays.reduce((total, delay) => total + delay, 0);
  const values: Record<string, number> =
    windowMs === 0
      ? { flights: delays.length, delay: sum }
      : { flights_24h: delays.length, delay_mean_24h: sum / delays.length, delay_max_24h: Math.max(...delays) };
  return { origin, at, values };
}

await runAlone(import.meta.url, run);
