import { startRedis, tempDir } from '@millrace/testing';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runAlone, type BenchResult } from '../bench-result.js';
import { moveToClientCore } from '../cores.js';
import type { MeasuredServer } from '../measured-server.js';
import { load, type Load } from './load-client.js';
import { FEAST_LABEL, startFeast, startMillrace } from './sides.js';

const ENTITIES = 5_000;
const FEATURES = 10;
const CONNECTIONS = 32;
const SECONDS = 3;
const WARM_SECONDS = 1.5;
const ROUNDS = 3;
const PUSHED_AT_ONCE = 500;
/** Entities in one request, and how many times Feast's requests per second are wanted. */
const SIZES = [
  { entities: 1, target: 15 },
  { entities: 100, target: 25 },
] as const;
const DIFFERENT_REQUESTS = 200;

/**
 * Online reads over Feast's protocol beside `feast serve`: the same rows in the same Redis, pushed through each side's own door, the same requests, in
 * turns. The server whose turn it is has one core to itself; the client and Redis have the other.
 */
export async function run(): Promise<BenchResult[]> {
  await moveToClientCore();
  const directory = await tempDir('bench-features-online');
  // Started after the process was put on its core, and so on the same.
  const redis = await startRedis();
  try {
    const redisPort = Number(new URL(redis.url).port);
    const [ours, theirs] = [join(directory.path, 'millrace'), join(directory.path, 'feast')];
    await Promise.all([mkdir(ours), mkdir(theirs)]);
    const sides = [await startMillrace(ours, redisPort, FEATURES), await startFeast(theirs, redisPort, FEATURES)] as const;
    try {
      const [value, peer] = await inTurns(sides);
      return SIZES.flatMap(({ entities, target }, index) =>
        resultsOf(entities, target, median(value[index] as Load[]), median(peer[index] as Load[])),
      );
    } finally {
      for (const side of sides) await side.stop();
    }
  } finally {
    await redis.stop();
    await directory.remove();
  }
}

/** Loads by size and round of each side. Who is not asked is stopped, and takes nothing of the core. */
async function inTurns(sides: readonly [MeasuredServer, MeasuredServer]): Promise<readonly [Load[][], Load[][]]> {
  for (const { url } of sides) await fill(url);
  const samples = await Promise.all(sides.map(({ url }) => sample(url)));
  if (samples[0] !== samples[1]) throw new Error(`the answers differ: ${samples.join(' and ')}`);
  for (const side of sides) side.pause();
  const loads = [SIZES.map((): Load[] => []), SIZES.map((): Load[] => [])] as const;
  for (const [size, { entities }] of SIZES.entries()) {
    const bodies = Array.from({ length: DIFFERENT_REQUESTS }, (_, request) => JSON.stringify(question(request, entities)));
    for (let round = 0; round < ROUNDS; round++) {
      for (const turn of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const side = sides[turn] as MeasuredServer;
        side.resume();
        await load(side.url, '/get-online-features', bodies, CONNECTIONS, WARM_SECONDS);
        (loads[turn]?.[size] as Load[]).push(await load(side.url, '/get-online-features', bodies, CONNECTIONS, SECONDS));
        side.pause();
      }
    }
  }
  return loads;
}

function median(rounds: readonly Load[]): Load {
  return [...rounds].sort((a, b) => a.rate - b.rate)[Math.floor(rounds.length / 2)] as Load;
}

async function sample(url: string): Promise<string> {
  const body = JSON.stringify(question(3, 5));
  const response = await fetch(`${url}/get-online-features`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { results, metadata } = (await response.json()) as { results: { values: unknown[] }[]; metadata: { feature_names: string[] } };
  const columns = metadata.feature_names.map((name, index) => [name, results[index]?.values] as const);
  return JSON.stringify(columns.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function question(request: number, entities: number): object {
  const ids = Array.from({ length: entities }, (_, row) => (request * 7919 + row * 104_729) % ENTITIES);
  return { entities: { driver_id: ids }, features: Array.from({ length: FEATURES }, (_, index) => `stats:f${index}`) };
}

/** Both sides are told the same through Feast's own way in. */
async function fill(url: string): Promise<void> {
  const time = new Date(Date.now() - 3_600_000).toISOString();
  for (let from = 0; from < ENTITIES; from += PUSHED_AT_ONCE) {
    const ids = Array.from({ length: PUSHED_AT_ONCE }, (_, row) => from + row);
    const times = ids.map(() => time);
    const df: Record<string, unknown[]> = { driver_id: ids, event_timestamp: times, created: times };
    for (let feature = 0; feature < FEATURES; feature++) df[`f${feature}`] = ids.map((id) => (id * (feature + 1)) / 7 + 0.125);
    const body = JSON.stringify({ push_source_name: 'rows', df, to: 'online' });
    const response = await fetch(`${url}/push`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  }
}

function resultsOf(entities: number, target: number, ours: Load, theirs: Load): BenchResult[] {
  const what = `online read, ${entities} ${entities === 1 ? 'entity' : 'entities'} x ${FEATURES} features, ${CONNECTIONS} connections`;
  return [
    {
      ...{ name: 'features-online', metric: `${what}`, value: ours.rate, unit: 'requests/s', target: `>= ${target}x the peer` },
      ...{ peer: FEAST_LABEL, peerValue: theirs.rate, ratio: ours.rate / theirs.rate, pass: ours.rate >= target * theirs.rate },
    },
    {
      ...{ name: 'features-online', metric: `${what}, p99`, value: ours.p99, unit: 'ms', target: 'less than the peer' },
      ...{ peer: FEAST_LABEL, peerValue: theirs.p99, ratio: theirs.p99 / ours.p99, pass: ours.p99 < theirs.p99 },
    },
  ];
}

await runAlone(import.meta.url, run);
