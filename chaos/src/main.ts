// npm run chaos [-- --share 0.25] [--seed N] [--embedded N] [--distributed N] [--batches N] [--flights N] [--write]
// Kills processes under load and checks that nothing acknowledged is lost and nothing is counted twice, and that what was served meanwhile is what the
// offline store tells. Ends with 1 on any violation.
import { distributedTopology, embeddedTopology, startEngines, tempDir, type Topology } from '@millrace/testing';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { consistencyReport, runConsistency, violationsOf } from './consistency/run-consistency.js';
import { killLoop, type KillLoopOptions, type KillLoopResult } from './kill-loop.js';
import { measuredOn } from './measured-on.js';
import { SeededRandom } from './random.js';

const WHOLE = { embedded: 100, distributed: 30, flights: 3_000_000 } as const;
/** Flights of which one vector is served. */
const FLIGHTS_PER_VECTOR = 25;

const { values } = parseArgs({
  options: {
    share: { type: 'string', default: '1' },
    seed: { type: 'string' },
    embedded: { type: 'string' },
    distributed: { type: 'string' },
    batches: { type: 'string' },
    flights: { type: 'string' },
    topology: { type: 'string' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(
    `npm run chaos -- [--share 0..1] [--seed N] [--write]
  kills under load:         [--embedded KILLS] [--distributed KILLS] [--batches LOG_BATCH_CALLS]
  served against offline:   [--flights FLIGHTS] [--topology embedded|distributed]
0 leaves a part out.`,
  );
  process.exit(0);
}
const share = Number(values.share);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const kills = {
  embedded: Number(values.embedded ?? Math.ceil(WHOLE.embedded * share)),
  distributed: Number(values.distributed ?? Math.ceil(WHOLE.distributed * share)),
};
const flights = Number(values.flights ?? Math.ceil(WHOLE.flights * share));
console.log(`chaos: seed ${seed}, ${kills.embedded} kills embedded, ${kills.distributed} distributed, ${flights} flights`);

const violations: string[] = [];
const results = await killResults();
for (const { violations: found, ...result } of results) {
  console.log(JSON.stringify({ seed, ...result, violations: found.length }));
  violations.push(...found);
}
if (values.write && results.length > 0) writeFileSync(join(import.meta.dirname, '..', 'RESULTS.md'), report(results));
if (flights > 0) {
  const kinds = (['embedded', 'distributed'] as const).filter((kind) => values.topology === undefined || values.topology === kind);
  const vectors = Math.ceil(flights / FLIGHTS_PER_VECTOR);
  const found = await runConsistency({ flights, vectors, kinds, seed, say: console.log });
  for (const result of found) {
    console.log(JSON.stringify({ seed, ...result }));
    violations.push(...violationsOf(result, flights));
  }
  if (values.write) writeFileSync(join(import.meta.dirname, '..', 'CONSISTENCY.md'), consistencyReport(found, { flights, seed }));
}
for (const violation of violations) console.log(violation);
process.exit(violations.length === 0 ? 0 : 1);

async function killResults(): Promise<KillLoopResult[]> {
  const options: KillLoopOptions = values.batches === undefined ? {} : { batches: Number(values.batches) };
  const found: KillLoopResult[] = [];
  const run = async (topology: Topology, count: number, randomSeed: number): Promise<void> => {
    found.push(await killLoop(topology, count, new SeededRandom(randomSeed), console.log, options));
  };
  if (kills.embedded > 0) {
    await using directory = await tempDir('millrace-chaos-');
    await run(await embeddedTopology(directory.path), kills.embedded, seed);
  }
  if (kills.distributed > 0) {
    await using directory = await tempDir('millrace-chaos-');
    const engines = await startEngines(['kafka', 'redis'], process.env);
    try {
      const topology = await distributedTopology({
        directory: directory.path,
        kafkaBrokers: engines.env['MILLRACE_TEST_KAFKA_BROKERS'] as string,
        redisUrl: engines.env['MILLRACE_TEST_REDIS_URL'] as string,
      });
      await run(topology, kills.distributed, seed + 1);
    } finally {
      await engines.stop();
    }
  }
  return found;
}

function report(all: readonly KillLoopResult[]): string {
  const rows = all.map(
    (result) =>
      `| ${result.kind} | ${result.kills} | ${result.acknowledgedRuns} | ${result.acknowledgedBatches} | ${result.acknowledgedEvents} | ${result.unknownRuns} / ${result.unknownEvents} | ${result.violations.length} | ${result.seconds} |`,
  );
  return `# Chaos: last result

\`npm run chaos -- --seed ${seed} --write\` ${measuredOn()}

Under load from eight clients a process is killed with SIGKILL at a random moment (50 to 900 ms after the load began), started again, and everything
acknowledged since the beginning is looked for: each run with its param and its points, each event, each exactly once in the offline store; online
windows against a count over the offline store. *Unknown* is what was sent and not answered: it may be there once or not at all.

| topology | kills | runs acknowledged | log-batch calls acknowledged | events acknowledged | unknown runs / events | violations | seconds |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

By the rule of three, no violation in n kills says that fewer than 3/n of such kills do harm, at 95 % confidence.
`;
}
