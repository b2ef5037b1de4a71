import { freePort, tempDir } from '@millrace/testing';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runAlone, type BenchOptions, type BenchResult } from '../bench-result.js';
import { moveToClientCore } from '../cores.js';
import { anonymousBytes } from '../process-memory.js';
import { fillLog } from './fill-log.js';
import { HttpClient, p50 } from './http-client.js';
import { startMillrace, type Server } from './servers.js';

const RUNS = 40_000;
const POINTS_A_RUN = 100;
const SEARCHES = 15;
/** A search is to be answered within this however many runs there are. */
const SEARCH_MS = 200;
/** The index is loaded, and what the start left behind collected. */
const SETTLE_MS = 20_000;
const READY_MS = 7_200_000;
const MIB = 2 ** 20;

/** What people ask of a table of runs: the newest, the best by a metric, some by tags and params, one by its name. */
const SEARCHED: Readonly<Record<string, object>> = {
  'the newest': {},
  'by metric and param, ordered by metric': { filter: "metrics.auc > 0.9 and params.optimizer = 'adam'", order_by: ['metrics.auc DESC'] },
  'by tag and pattern, ordered by param': {
    filter: "tags.team = 'team 3' and params.lr LIKE '0.0%'",
    order_by: ['params.depth ASC', 'metrics.loss DESC'],
  },
  'by a part of the name': { filter: "attributes.run_name LIKE '%99%'" },
};

/** What one size costs. */
interface Figures {
  readonly runs: number;
  readonly caughtUpSeconds: number;
  readonly restartSeconds: number;
  readonly memory: number;
  readonly searches: Readonly<Record<string, number>>;
  readonly bytes: Readonly<Record<'log' | 'state' | 'points', number>>;
}

/**
 * How tracking grows with its runs, 100 points each, all in one experiment: the log is filled in two steps, and after each the platform catches up with
 * what is new, is searched, started again and looked at. `--runs N` says how many there are in the end.
 */
export async function run({ runs = RUNS }: BenchOptions = {}): Promise<BenchResult[]> {
  await moveToClientCore();
  await using directory = await tempDir('bench-tracking-scale');
  const few = await grown(directory.path, 0, Math.round(runs / 4));
  const many = await grown(directory.path, few.runs, runs);
  return [...resultsOf(few), ...resultsOf(many), ...growthOf(few, many)];
}

async function grown(directory: string, from: number, runs: number): Promise<Figures> {
  await fillLog(directory, { runs, from, pointsPerRun: POINTS_A_RUN, experiments: 1, history: 0 });
  const began = performance.now();
  const clickhousePort = await freePort();
  const first = await startMillrace(directory, { readyTimeoutMs: READY_MS, clickhousePort });
  const caughtUpSeconds = (performance.now() - began) / 1000;
  const points = await pointBytes(clickhousePort, runs).finally(() => first.stop());
  const bytes = { log: bytesOf(join(directory, 'log')), state: bytesOf(join(directory, 'state')), points };
  const startedAgain = performance.now();
  const server = await startMillrace(directory);
  const restartSeconds = (performance.now() - startedAgain) / 1000;
  try {
    await sleep(SETTLE_MS);
    const searches = await searchTimes(server);
    return { runs, caughtUpSeconds, restartSeconds, memory: anonymousBytes(server.pid), searches, bytes };
  } finally {
    await server.stop();
  }
}

async function searchTimes({ url }: Server): Promise<Record<string, number>> {
  const http = new HttpClient(url);
  const times: Record<string, number> = {};
  try {
    for (const [name, search] of Object.entries(SEARCHED)) {
      times[name] = await p50(SEARCHES, async () => {
        const { runs } = JSON.parse(await http.post('runs/search', { experiment_ids: ['1'], max_results: 100, ...search })) as {
          runs?: unknown[];
        };
        if (runs?.length !== 100) throw new Error(`the search ${name} found ${runs?.length ?? 0} runs`);
      });
    }
  } finally {
    http.close();
  }
  return times;
}

/** What the points take in ClickHouse's files. */
async function pointBytes(clickhousePort: number, runs: number): Promise<number> {
  const sql = `SELECT sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = 'millrace' AND table = 'metric_points' FORMAT JSONEachRow`;
  const answer = await fetch(`http://127.0.0.1:${clickhousePort}/`, { method: 'POST', body: sql });
  const found = JSON.parse(await answer.text()) as { rows: string; bytes: string };
  if (Number(found.rows) !== runs * POINTS_A_RUN) throw new Error(`the table holds ${found.rows} points`);
  return Number(found.bytes);
}

function bytesOf(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const found = statSync(join(directory, name));
    if (found.isFile()) bytes += found.blocks * 512;
  }
  return bytes;
}

/** A figure without a bound. */
function plain(metric: string, value: number, unit: string): BenchResult {
  return { name: 'tracking-scale', metric, value, unit, pass: true };
}

function resultsOf({ runs, caughtUpSeconds, restartSeconds, memory, searches }: Figures): BenchResult[] {
  const at = `${runs.toLocaleString('en-GB')} runs`;
  return [
    plain(`${at}: caught up with what was new`, caughtUpSeconds, 's'),
    plain(`${at}: started again`, restartSeconds, 's'),
    plain(`${at}: memory of the process (RssAnon)`, memory / MIB, 'MiB'),
    ...Object.entries(searches).map(([search, value]) => ({
      ...plain(`${at}: search ${search}, p50`, value, 'ms'),
      ...{ target: `<= ${SEARCH_MS} ms`, pass: value <= SEARCH_MS },
    })),
  ];
}

/** What each further run takes, by the difference of the two sizes. */
function growthOf(few: Figures, many: Figures): BenchResult[] {
  const runs = many.runs - few.runs;
  return [
    plain('each further run: memory', (many.memory - few.memory) / runs, 'bytes'),
    plain(`each further run with its ${POINTS_A_RUN} points: log`, (many.bytes.log - few.bytes.log) / runs, 'bytes'),
    plain('each further run: folded state', (many.bytes.state - few.bytes.state) / runs, 'bytes'),
    plain('each further point: table', (many.bytes.points - few.bytes.points) / (runs * POINTS_A_RUN), 'bytes'),
  ];
}

await runAlone(import.meta.url, run);
