// npm run chaos [-- --share 0.25] [--seed N] [--embedded N] [--distributed N] [--batches N] [--write]
// Kills processes under load and checks that nothing acknowledged is lost and nothing is counted twice. Ends with 1 on any violation.
import { distributedTopology, embeddedTopology, startEngines, tempDir } from '@millrace/testing';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killLoop, type KillLoopOptions, type KillLoopResult } from './kill-loop.js';
import { SeededRandom } from './random.js';

const WHOLE = { embedded: 100, distributed: 30 } as const;

const { values } = parseArgs({
  options: {
    share: { type: 'string', default: '1' },
    seed: { type: 'string' },
    embedded: { type: 'string' },
    distributed: { type: 'string' },
    batches: { type: 'string' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log('npm run chaos -- [--share 0..1] [--seed N] [--embedded KILLS] [--distributed KILLS] [--batches LOG_BATCH_CALLS] [--write]');
  process.exit(0);
}
const share = Number(values.share);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const kills = {
  embedded: Number(values.embedded ?? Math.ceil(WHOLE.embedded * share)),
  distributed: Number(values.distributed ?? Math.ceil(WHOLE.distributed * share)),
};
console.log(`chaos: seed ${seed}, ${kills.embedded} kills embedded, ${kills.distributed} distributed`);

const options: KillLoopOptions = values.batches === undefined ? {} : { batches: Number(values.batches) };

const results: KillLoopResult[] = [];
if (kills.embedded > 0) {
  await using directory = await tempDir('millrace-chaos-');
  results.push(await killLoop(await embeddedTopology(directory.path), kills.embedded, new SeededRandom(seed), console.log, options));
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
    results.push(await killLoop(topology, kills.distributed, new SeededRandom(seed + 1), console.log, options));
  } finally {
    await engines.stop();
  }
}

for (const result of results) console.log(JSON.stringify({ seed, ...result, violations: result.violations.length }));
if (values.write) writeFileSync(join(import.meta.dirname, '..', 'RESULTS.md'), report(results));
process.exit(results.every((result) => result.violations.length === 0) ? 0 : 1);

function report(all: readonly KillLoopResult[]): string {
  const rows = all.map(
    (result) =>
      `| ${result.kind} | ${result.kills} | ${result.acknowledgedRuns} | ${result.acknowledgedBatches} | ${result.acknowledgedEvents} | ${result.unknownRuns} / ${result.unknownEvents} | ${result.violations.length} | ${result.seconds} |`,
  );
  return `# Chaos: last result

\`npm run chaos -- --seed ${seed} --write\` on ${new Date().toISOString().slice(0, 10)}; Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB.

Under load from eight clients a process is killed with SIGKILL at a random moment (50 to 900 ms after the load began), started again, and everything
acknowledged since the beginning is looked for: each run with its param and its points, each event, each exactly once in the offline store; online
windows against a count over the offline store. *Unknown* is what was sent and not answered: it may be there once or not at all.

| topology | kills | runs acknowledged | log-batch calls acknowledged | events acknowledged | unknown runs / events | violations | seconds |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

By the rule of three, no violation in n kills says that fewer than 3/n of such kills do harm, at 95 % confidence.
`;
}
