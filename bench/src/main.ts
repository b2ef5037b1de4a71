// npm run bench [-- NAME ...] [--write] [--runs N]
// Runs every benchmark (or the named ones), each beside its peer in the same run, and writes bench/RESULTS.md with --write.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BenchOptions, BenchResult } from './bench-result.js';

interface Bench {
  readonly name: string;
  readonly what: string;
  readonly load: () => Promise<{ run: (options: BenchOptions) => Promise<BenchResult[]> }>;
}

const BENCHES: readonly Bench[] = [
  { name: 'append', what: 'embedded log, durable appends', load: () => import('./log/append.bench.js') },
  { name: 'commands', what: 'the generic command handler on the embedded log', load: () => import('./log/commands.bench.js') },
  { name: 'kafka', what: 'the Kafka adapter beside bare kafkajs', load: () => import('./kafka/kafka.bench.js') },
  { name: 'offline', what: 'facts from the log into chdb', load: () => import('./offline/offline.bench.js') },
  {
    name: 'features',
    what: 'flights through windows into both stores beside Quix Streams',
    load: () => import('./features/features.bench.js'),
  },
  { name: 'aggregates', what: 'what each aggregate costs to read and to keep', load: () => import('./features/aggregates.bench.js') },
  {
    name: 'freshness',
    what: 'from sent to readable at a steady rate, and memory meanwhile',
    load: () => import('./features/freshness.bench.js'),
  },
  {
    name: 'windows',
    what: 'what an event costs and an entity keeps, by how many there are',
    load: () => import('./features/windows.bench.js'),
  },
  {
    name: 'features-online',
    what: "online reads over Feast's protocol beside feast serve",
    load: () => import('./features-online/online.bench.js'),
  },
  {
    name: 'training-sets',
    what: "point-in-time training sets beside DuckDB's ASOF join and Feast's file store",
    load: () => import('./training-sets/training-sets.bench.js'),
  },
  {
    name: 'gateway',
    what: 'requests answered by the gateway beside FastAPI, MLServer and a bare Fastify',
    load: () => import('./gateway/gateway.bench.js'),
  },
  {
    name: 'engine',
    what: 'a fast model alone and beside one of 50 ms; a hundred versions swapped under load',
    load: () => import('./inference/engine.bench.js'),
  },
  {
    name: 'autoscaling',
    what: 'cold starts, and the scaling policy of the manifests simulated with the times of the real engine',
    load: () => import('./autoscaling/autoscaling.bench.js'),
  },
  {
    name: 'optimize',
    what: 'size, time and answers of an optimized model beside the model it is made of',
    load: () => import('./inference/optimize.bench.js'),
  },
  { name: 'tracking', what: "tracking beside MLflow's own server", load: () => import('./tracking/tracking.bench.js') },
  {
    name: 'tracking-scale',
    what: 'how tracking grows: memory, disk, starts and searches by the number of runs (--runs N)',
    load: () => import('./tracking/scale.bench.js'),
  },
  {
    name: 'rollouts',
    what: 'what the sequential tests of rollouts promise, by simulation (--runs N)',
    load: () => import('./rollouts/rollouts.bench.js'),
  },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean', default: false }, help: { type: 'boolean', default: false }, runs: { type: 'string' } },
});
const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
if (values.help || unknown.length > 0) {
  console.log(
    `npm run bench -- [NAME ...] [--write] [--runs N]\n${BENCHES.map((bench) => `  ${bench.name.padEnd(16)}${bench.what}`).join('\n')}`,
  );
  process.exit(unknown.length > 0 ? 2 : 0);
}

const runs = values.runs === undefined ? undefined : Number(values.runs);
if (runs !== undefined && !(Number.isSafeInteger(runs) && runs >= 1_000)) {
  console.error(`--runs ${values.runs} is not a whole number of at least 1000`);
  process.exit(2);
}
const results: BenchResult[] = [];
for (const bench of BENCHES.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
  console.log(`${bench.name}: ${bench.what}`);
  for (const result of await (await bench.load()).run(runs === undefined ? {} : { runs })) {
    results.push(result);
    console.log(`  ${line(result).join('  ')}`);
  }
}
if (values.write) writeReport(results);
process.exit(results.every((result) => result.pass) ? 0 : 1);

function line(result: BenchResult): string[] {
  const peer = result.peer === undefined ? '' : `${result.peer}: ${figure(result.peerValue)} ${result.unit}`;
  const ratio = result.ratio === undefined ? '' : `${result.ratio.toFixed(2)}x`;
  return [
    result.name,
    result.metric,
    `${figure(result.value)} ${result.unit}`,
    peer,
    ratio,
    String(result.target ?? ''),
    result.pass ? 'reached' : 'FALLS SHORT',
  ];
}

function figure(value: number | undefined): string {
  return value === undefined ? '' : value.toLocaleString('en-GB', { maximumFractionDigits: value < 100 ? 2 : 0 });
}

/** Figures of benchmarks that were not run this time stay as they were. */
function writeReport(fresh: readonly BenchResult[]): void {
  const file = join(import.meta.dirname, '..', 'RESULTS.md');
  const rows = new Map<string, string>();
  try {
    for (const text of readFileSync(file, 'utf8').split('\n'))
      if (/^\| (?!benchmark|-)/.test(text)) rows.set(text.split('|').slice(1, 3).join('|'), text);
  } catch {
    // The first report.
  }
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  const today = new Date().toISOString().slice(0, 10);
  for (const result of fresh) {
    const text = `| ${line(result).join(' | ')} | ${today}; ${machine} |`;
    rows.set(text.split('|').slice(1, 3).join('|'), text);
  }
  const header = '| benchmark | metric | figure | peer | ratio | target | verdict | when and where |\n|---|---|---|---|---|---|---|---|';
  writeFileSync(
    file,
    `# Benchmark results\n\n\`npm run bench -- --write\`. Both sides of a ratio are measured in one run on one machine, in turns. Absolute figures drift with the machine; ratios hold.\n\n${header}\n${[...rows.values()].join('\n')}\n`,
  );
}
