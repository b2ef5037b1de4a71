import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

/** One figure. `pass` says whether it reached its target; a figure without a target passes. */
export interface BenchResult {
  /** The benchmark, e.g. `append`. */
  readonly name: string;
  /** What was measured, in words: `events/s, 512 writers`. */
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  /** In words, e.g. `>= 50,000`. */
  readonly target?: string;
  /** Who was measured beside it, in the same run. */
  readonly peer?: string;
  readonly peerValue?: number;
  /** Ours by the peer's (the other way round where less is better): more than 1 is better than the peer. */
  readonly ratio?: number;
  readonly pass: boolean;
}

/** What the command line says to a benchmark whose size can be chosen. */
export interface BenchOptions {
  readonly runs?: number;
}

/** What a figure was measured on; without it a figure says nothing. */
export function machine(): Record<string, string | number> {
  const lmdb = JSON.parse(readFileSync(fileURLToPath(new URL('../../node_modules/lmdb/package.json', import.meta.url)), 'utf8')) as {
    version: string;
  };
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: Number((loadavg()[0] as number).toFixed(2)),
    node: process.version,
    lmdb: lmdb.version,
  };
}

/** The middle of several tries. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

/** Of values in ascending order; NaN of none. */
export function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN;
}

/** Runs a benchmark when its module is the program: `node bench/dist/log/append.bench.js`. One JSON line, then one for people per figure. */
export async function runAlone(moduleUrl: string, run: () => Promise<BenchResult[]>): Promise<void> {
  if (argv[1] === undefined || fileURLToPath(moduleUrl) !== argv[1]) return;
  const before = machine();
  const results = await run();
  console.log(JSON.stringify({ command: argv.slice(1).join(' '), machine: before, results }));
  for (const { name, metric, value, unit, target, peer, peerValue, pass } of results) {
    const beside = peer === undefined ? '' : `, ${peer}: ${figure(peerValue ?? 0)} ${unit}`;
    const wanted = target === undefined ? '' : ` (wanted: ${target}${pass ? '' : ', FALLS SHORT'})`;
    console.log(`${name}: ${metric}: ${figure(value)} ${unit}${beside}${wanted}`);
  }
  process.exitCode = results.every(({ pass }) => pass) ? 0 : 1;
}

function figure(value: number): string {
  return value.toLocaleString('en-GB', { maximumFractionDigits: value < 100 ? 2 : 0 });
}
