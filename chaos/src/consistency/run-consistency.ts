import { Flights } from '@millrace/example-flights';
import { distributedTopology, embeddedTopology, startKafka, startRedis, tempDir, type Topology } from '@millrace/testing';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { measuredOn } from '../measured-on.js';
import { SeededRandom } from '../random.js';
import { consistency, type ConsistencyResult } from './consistency.js';
import { FlightStream } from './flight-stream.js';

export interface RunConsistencyOptions {
  readonly flights: number;
  readonly vectors: number;
  readonly kinds: readonly Topology['kind'][];
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** On each topology, with engines of its own: one of them is emptied. */
export async function runConsistency({ flights, vectors, kinds, seed, say }: RunConsistencyOptions): Promise<ConsistencyResult[]> {
  const stream = new FlightStream(await Flights.load(flights), seed);
  const results: ConsistencyResult[] = [];
  for (const kind of kinds) {
    await using directory = await tempDir('millrace-consistency-');
    const options = { stream, vectors, say, random: new SeededRandom(seed) };
    if (kind === 'embedded') {
      const topology = await embeddedTopology(directory.path);
      const emptyOnlineStore = async (): Promise<void> => {
        // The store has one owner.
        await topology.stop();
        await rm(join(directory.path, 'online'), { recursive: true });
        await topology.start();
      };
      results.push(await consistency({ ...options, topology, emptyOnlineStore }));
      continue;
    }
    await using redis = await startRedis();
    await using kafka = await startKafka();
    const topology = await distributedTopology({ directory: directory.path, kafkaBrokers: kafka.brokers, redisUrl: redis.url });
    results.push(await consistency({ ...options, topology, emptyOnlineStore: () => flushAll(redis.url) }));
  }
  return results;
}

/** Redis's own command, on a connection of its own. */
function flushAll(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write('FLUSHALL\r\n'));
    socket.once('error', reject);
    socket.once('data', (reply) => {
      socket.destroy();
      if (reply.toString().startsWith('+OK')) resolve();
      else reject(new Error(`FLUSHALL: ${reply.toString()}`));
    });
  });
}

/** What a run found that must not be; nothing when all is well. */
export function violationsOf(
  { kind, vectors, compared, mismatches, unverifiable, standing, wrongAirports }: ConsistencyResult,
  flights: number,
): string[] {
  const found: string[] = [];
  if (mismatches > 0) found.push(`${mismatches} of ${compared} served vectors are not what the offline store tells`);
  if (compared < vectors) found.push(`${vectors} vectors were served and ${compared} could be recomputed: ${JSON.stringify(unverifiable)}`);
  if (standing !== flights) found.push(`${standing} flights stand in the offline store, ${flights} were sent`);
  found.push(...wrongAirports.slice(0, 10));
  return found.map((text) => `${kind}: ${text}`);
}

export function consistencyReport(results: readonly ConsistencyResult[], stream: { flights: number; seed: number }): string {
  const rows = results.map(
    (result) =>
      `| ${result.kind} | ${result.events} | ${result.standing} | ${result.compared} | ${result.mismatches} | ${result.wrongAirports.length} | ${result.seconds} |`,
  );
  return `# Served against offline: last result

\`npm run chaos -- --embedded 0 --distributed 0 --flights ${stream.flights} --seed ${stream.seed} --write\` ${measuredOn()}

US flights of 2001 in the order in which the planes left; 5 % arrive up to half a day late, 1 % are sent twice, 1 % are corrected one to three days later. While they
arrive, feature vectors of 18 windowed features are served through a deployment, as of the stream's time. In the first third the process with the features is
killed with SIGKILL and started again; after two thirds the online store is emptied (Redis with FLUSHALL under load, embedded the folder of LMDB) and
fills itself. At the end every served vector is recomputed from the offline store as it was known when it was served, and the features of every airport are
held against a plain count over the flights as they stand.

| topology | events | flights that stand | vectors recomputed | mismatches | wrong values of airports | seconds |
|---|---|---|---|---|---|---|
${rows.join('\n')}
`;
}
