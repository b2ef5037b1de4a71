import { Flights } from '@millrace/example-flights';
import { startKafka, tempDir } from '@millrace/testing';
import { runAlone, type BenchResult } from '../bench-result.js';
import { fillTopic } from './flights-topic.js';
import { MillraceSide, type Expected } from './millrace-side.js';
import { QuixSide } from './quix-side.js';

const FLIGHTS = 400_000;
const PARTITIONS = 4;
const ROUNDS = 3;
const TARGET = 4;
const TOPIC = 'flights';
const DAY_MS = 86_400_000;

/**
 * Flights from a topic through the features service into Redis and ClickHouse, two entities with 3 windows x 3 aggregates each, beside Quix
 * Streams with one 5-minute tumbling count and sum of the same topic on the same broker. Quix is given one process, as the service has, and
 * then, since it shares a topic among processes, one for each of two cores.
 */
export async function run(): Promise<BenchResult[]> {
  const flights = await Flights.load(FLIGHTS);
  const expected = lastDay(flights);
  await using directory = await tempDir('bench-features');
  await using kafka = await startKafka({ jvmOptions: ['-Xmx1g', '-XX:TieredStopAtLevel=4'] });
  await fillTopic(kafka.brokers, TOPIC, PARTITIONS, flights);
  const ours = new MillraceSide(directory.path, kafka.brokers, TOPIC);
  const theirs = await QuixSide.open(directory.path, kafka.brokers, TOPIC);
  const sides = [
    { rates: [] as number[], measure: (round: number) => ours.rate(`ours-${round}`, FLIGHTS, expected) },
    { rates: [] as number[], measure: (round: number) => theirs.rate(`one-${round}`, 1, FLIGHTS) },
    { rates: [] as number[], measure: (round: number) => theirs.rate(`two-${round}`, 2, FLIGHTS) },
  ];
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of round % 2 === 0 ? sides : [...sides].reverse()) side.rates.push(await side.measure(round));
  }
  const [value, one, two] = sides.map((side) => median(side.rates)) as [number, number, number];
  return [compared('1 process each', value, one, TARGET), compared('Quix in 2 processes', value, two)];
}

function compared(how: string, value: number, peerValue: number, target?: number): BenchResult {
  const ratio = value / peerValue;
  return {
    name: 'features',
    metric: `flights through source, windows (2 entities, 3 windows x 3 aggregates), Redis and ClickHouse; peer: one 5-minute tumbling count and sum; ${how}`,
    value,
    unit: 'events/s',
    peer: QuixSide.label,
    peerValue,
    ratio,
    pass: target === undefined || ratio >= target,
    ...(target === undefined ? {} : { target: `>= ${target}x the peer` }),
  };
}

/** The features of the busiest origin just after the last departure, worked out from the flights themselves. */
function lastDay(flights: Flights): Expected {
  const at = flights.at(flights.length - 1).departed + 1;
  const byOrigin = new Map<string, number[]>();
  for (const { origin, departed, delay } of flights) {
    if (departed < at - DAY_MS) continue;
    const delays = byOrigin.get(origin);
    if (delays) delays.push(delay);
    else byOrigin.set(origin, [delay]);
  }
  const [origin, delays] = [...byOrigin].reduce((most, next) => (next[1].length > most[1].length ? next : most));
  // Whole minutes: their sum is exact in any order.
  const sum = delays.reduce((total, delay) => total + delay, 0);
  return { origin, at, values: [delays.length, sum / delays.length, Math.max(...delays)] };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

await runAlone(import.meta.url, run);
