import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureVenv, FEAST, feastVenv, freePort, repositoryRoot, runCommand, ServiceProcess, tempDir, type Venv } from '@millrace/testing';
import { median, runAlone, type BenchResult } from '../bench-result.js';
import { Readings } from './readings.js';

const SPINE_ROWS = 100_000;
const FEATURE_ROWS = 1_000_000;
const FEATURES = 10;
const ENTITIES = 10_000;
const ROUNDS = 3;
/** The first may meet cold caches; the better one counts, on each side. */
const TRIES = 2;
const DUCKDB = '1.5.6';
/** Not under `dist/`: Python is not built. */
const SCRIPTS = join(repositoryRoot, 'bench', 'src', 'training-sets', 'python');

/**
 * A training set of latest values: the spine as a Parquet file over HTTP, the set back as one, beside DuckDB's ASOF join of the same files and Feast's
 * file store. Each try has a spine of its own, because the same one asked for again is the same set and costs us nothing. Ours counts from the first
 * byte sent to the last received, with the events' ids told apart, the decisions on the log and the set in the artifact store.
 */
export async function run(): Promise<BenchResult[]> {
  await using directory = await tempDir('bench-training-sets');
  const duckdb = await ensureVenv('duckdb', [`duckdb==${DUCKDB}`]);
  const readings = new Readings({ rows: FEATURE_ROWS, features: FEATURES, entities: ENTITIES });
  await writeFile(join(directory.path, 'features.csv'), readings.csv());
  const spines = Array.from({ length: ROUNDS * TRIES }, (_, index) => `spine-${index}`);
  for (const [index, spine] of spines.entries()) {
    await writeFile(join(directory.path, `${spine}.csv`), readings.spineCsv(SPINE_ROWS, index));
    await asof(duckdb, directory.path, spine, '--prepare');
  }
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const service = new ServiceProcess({
    name: 'features',
    script: 'services/features/dist/main.js',
    env: {
      MILLRACE_DATA_DIR: join(directory.path, 'data'),
      MILLRACE_PORT: String(port),
      MILLRACE_CLICKHOUSE_PORT: '0',
      MILLRACE_LOG_LEVEL: 'warn',
    },
    readyUrl: `${url}/readyz`,
  });
  await service.start();
  try {
    await readings.load(url);
    const [ours, theirs] = [[] as number[], [] as number[]];
    for (let round = 0; round < ROUNDS; round++) {
      const own = spines.slice(round * TRIES, (round + 1) * TRIES);
      const turns = [
        async () => void ours.push(await best(own, (spine) => ask(url, directory.path, spine))),
        async () =>
          void theirs.push(await best(own, async (spine) => ((await asof(duckdb, directory.path, spine)) as { seconds: number }).seconds)),
      ];
      for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
      for (const spine of own) await compare(duckdb, directory.path, spine);
    }
    const [value, peerValue] = [median(ours), median(theirs)];
    const results = [compared(`DuckDB ${DUCKDB} (ASOF)`, value, peerValue, 1 / 1.2, '<= 1.2x the time of the peer')];
    const feast = await feastSeconds(directory.path, spines[0] as string);
    results.push(compared(`Feast ${FEAST} (file store)`, value, feast, 40, '>= 40x faster'));
    return results;
  } finally {
    await service.stop();
  }
}

async function best(spines: readonly string[], seconds: (spine: string) => Promise<number>): Promise<number> {
  let least = Infinity;
  for (const spine of spines) least = Math.min(least, await seconds(spine));
  return least;
}

/** The peer works for seconds in between, after which a kept connection may just be closing. */
const FRESH = { connection: 'close' };

/** Sends the spine, waits, and fetches the set. */
async function ask(url: string, directory: string, spine: string): Promise<number> {
  const body = new Uint8Array(await readFile(join(directory, `${spine}.parquet`)));
  const started = performance.now();
  const response = await fetch(`${url}/api/v1/training-sets?featureService=readings&timestampColumn=asked&wait=5m`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.apache.parquet', ...FRESH },
    body,
  });
  const set = (await response.json()) as { id: string; status: string };
  if (set.status !== 'built') throw new Error(JSON.stringify(set));
  const data = Buffer.from(await (await fetch(`${url}/api/v1/training-sets/${set.id}/data`, { headers: FRESH })).arrayBuffer());
  const seconds = (performance.now() - started) / 1000;
  await writeFile(join(directory, `${spine}-ours.parquet`), data);
  return seconds;
}

function asof(venv: Venv, directory: string, spine: string, ...more: string[]): Promise<unknown> {
  const options = ['--directory', directory, '--features', String(FEATURES), '--spine', spine, ...more];
  return runCommand(venv.python, [join(SCRIPTS, 'duckdb_asof.py'), ...options]).then((output) => JSON.parse(output) as unknown);
}

/** What was fast must also be right. */
async function compare(venv: Venv, directory: string, spine: string): Promise<void> {
  const found = (await asof(venv, directory, spine, '--compare', join(directory, `${spine}-ours.parquet`))) as {
    differing: number;
    filled: number;
  };
  if (found.differing !== 0 || found.filled < SPINE_ROWS / 2) throw new Error(`${spine}: ${JSON.stringify(found)}`);
}

async function feastSeconds(directory: string, spine: string): Promise<number> {
  const venv = await feastVenv();
  const options = ['--directory', directory, '--features', String(FEATURES), '--spine', spine];
  const output = await runCommand(venv.python, [join(SCRIPTS, 'feast_join.py'), ...options]);
  const line = output.split('\n').find((text) => text.startsWith('{"seconds"'));
  return (JSON.parse(line ?? output) as { seconds: number }).seconds;
}

/** Less is better: the ratio is the peer's time by ours. */
function compared(peer: string, value: number, peerValue: number, least: number, target: string): BenchResult {
  const ratio = peerValue / value;
  return {
    name: 'training-sets',
    metric: `${SPINE_ROWS / 1000}k spine rows x ${FEATURE_ROWS / 1e6}M feature rows x ${FEATURES} latest values, Parquet to Parquet; peer: ${peer}`,
    value,
    unit: 's',
    peer,
    peerValue,
    ratio,
    pass: ratio >= least,
    target,
  };
}

await runAlone(import.meta.url, run);
