import { startRedis, tempDir } from '@millrace/testing';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runAlone, type BenchResult } from '../bench-result.js';
import { moveToClientCore } from '../cores.js';
import { deploy, register } from '../served-platform.js';
import { startCollector } from './collector.js';
import { defineFeatures, FEATURE_SERVICE } from './feature-rows.js';
import { grpcLoad } from './grpc-load.js';
import { COLUMNS, SERVED } from './served-models.js';
import { BARE_LABEL, FASTAPI_LABEL, MLSERVER_LABEL, startBare, startFastApi, startMillrace, startMlserver, type Side } from './sides.js';
import { wrk, type Load, type Question } from './wrk.js';

const CONNECTIONS = 32;
const SECONDS = 3;
/** Long, because there is more of ours to be compiled, and a server runs for weeks. */
const WARM_SECONDS = 15;
/** The machine's pace changes by half within minutes: many short turns meet the same of it. */
const ROUNDS = 7;
/** Of the requests, one in a hundred is traced, as where there are thousands a second. */
const TRACE_RATIO = '0.01';

type Model = keyof typeof SERVED;
const MODELS: readonly Model[] = ['gbdt', 'mlp'];
/** The network, asked for by entity key. */
const BY_DRIVER = 'mlp-by-driver';

const ROW = Array.from({ length: COLUMNS }, (_, index) => Math.sin(index) * 1.37);
const JSON_ROW = { name: 'x', datatype: 'FP32', shape: [1, COLUMNS], data: ROW };
const RAW_ROW = Buffer.from(Float32Array.from(ROW).buffer);

/**
 * The gateway beside FastAPI, MLServer and a bare Fastify that does nothing but batch and run: the same models, the same JSON request, in turns. The server whose
 * turn it is has one core to itself; wrk and Redis have the other. Ours writes its prediction log, metrics and traces.
 */
export async function run(): Promise<BenchResult[]> {
  await moveToClientCore();
  const directory = await tempDir('bench-gateway');
  const collector = await startCollector();
  const redis = await startRedis();
  const open: Side[] = [];
  try {
    const files = await Promise.all(
      MODELS.map(async (name) => {
        const file = join(directory.path, `${name}.onnx`);
        await writeFile(file, SERVED[name]());
        return { name, file };
      }),
    );
    const place = async (name: string): Promise<string> => {
      await mkdir(join(directory.path, name));
      return join(directory.path, name);
    };
    const start = async (starting: Promise<Side>): Promise<Side> => {
      const side = await starting;
      open.push(side);
      return side;
    };
    // A database each: with a log of its own, neither may find the other's places in Redis.
    const env = (database: number) => ({ MILLRACE_TRACE_RATIO: TRACE_RATIO, MILLRACE_REDIS_URL: `${redis.url}/${database}` });
    const whole = await start(startMillrace(await place('whole'), collector.url, env(0)));
    await deployAll(whole.url);
    whole.pause();
    const answering = await start(
      startMillrace(await place('answering'), collector.url, { ...env(1), MILLRACE_INFERENCE_TABLES: 'false' }),
    );
    await deployAll(answering.url);
    answering.pause();
    const others: Side[] = [];
    for (const starting of [() => startBare(files), () => startFastApi(files), async () => startMlserver(await place('mlserver'), files)]) {
      const side = await start(starting());
      side.pause();
      others.push(side);
    }
    const sides = [whole, answering, ...others];
    const results: BenchResult[] = [];
    for (const model of MODELS) {
      const turns = sides.map((side) => ({ side, question: json(model) }));
      results.push(...resultsOf(model, await inTurns(turns, directory.path)));
    }
    results.push(...(await otherWays(answering, directory.path)));
    return results;
  } finally {
    for (const side of open) await side.stop();
    await redis.stop();
    collector.stop();
    await directory.remove();
  }
}

async function deployAll(url: string): Promise<void> {
  await defineFeatures(url);
  for (const model of MODELS) {
    await register(url, model, SERVED[model]());
    await deploy(url, model, `models:/${model}/1`);
  }
  await deploy(url, BY_DRIVER, 'models:/mlp/1', FEATURE_SERVICE);
}

interface Turn {
  readonly side: Side;
  readonly question: Question;
}

/** Loads by turn, the middle of the rounds. */
async function inTurns(turns: readonly Turn[], directory: string): Promise<Load[]> {
  const rounds = turns.map((): Load[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [turn, { side, question }] of turns.entries()) {
      side.resume();
      await wrk(side.url, question, CONNECTIONS, round === 0 ? WARM_SECONDS : 1, directory);
      (rounds[turn] as Load[]).push(await wrk(side.url, question, CONNECTIONS, SECONDS, directory));
      side.pause();
    }
  }
  return rounds.map((loads) => [...loads].sort((a, b) => a.rate - b.rate)[Math.floor(ROUNDS / 2)] as Load);
}

function json(model: string): Question {
  return {
    path: `/v2/models/${model}/infer`,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ inputs: [JSON_ROW] })),
  };
}

function resultsOf(model: Model, loads: readonly Load[]): BenchResult[] {
  const [whole, answering, bare, fastApi, mlserver] = loads as [Load, Load, Load, Load, Load];
  const peers = [
    { peer: BARE_LABEL, load: bare, target: 0.75 },
    { peer: FASTAPI_LABEL, load: fastApi, target: 4 },
    { peer: MLSERVER_LABEL, load: mlserver, target: 6 },
  ];
  const ways = [
    { way: 'all in one process', ours: whole },
    { way: 'tables written by another process', ours: answering },
  ];
  return ways.flatMap(({ way, ours }) =>
    peers.flatMap(({ peer, load, target }) => {
      const of = { name: 'gateway', peer };
      const what = `${model}, JSON, ${CONNECTIONS} connections, ${way}, beside ${peer}`;
      const ratio = ours.rate / load.rate;
      return [
        {
          ...of,
          metric: what,
          value: ours.rate,
          unit: 'requests/s',
          target: `>= ${target}x the peer`,
          peerValue: load.rate,
          ratio,
          pass: ratio >= target,
        },
        {
          ...{ ...of, metric: `${what}, p99`, value: ours.p99, unit: 'ms', target: 'less than the peer' },
          ...{ peerValue: load.p99, ratio: load.p99 / ours.p99, pass: ours.p99 < load.p99 },
        },
      ];
    }),
  );
}

/** Binary REST, gRPC, and features from Redis, beside the same model's JSON; in the process that only answers. */
async function otherWays(side: Side, directory: string): Promise<BenchResult[]> {
  const input = { name: 'x', datatype: 'FP32', shape: [1, COLUMNS] };
  const head = JSON.stringify({
    inputs: [{ ...input, parameters: { binary_data_size: RAW_ROW.length } }],
    parameters: { binary_data_output: true },
  });
  const binary: Question = {
    path: '/v2/models/mlp/infer',
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.length) },
    body: Buffer.concat([Buffer.from(head), RAW_ROW]),
  };
  const byDriver: Question = {
    ...json(BY_DRIVER),
    body: Buffer.from(JSON.stringify({ inputs: [{ name: 'driver', datatype: 'INT64', shape: [1], data: [7] }] })),
  };
  const turns = [json('mlp'), binary, byDriver].map((question) => ({ side, question }));
  const [plain, raw, looked] = await inTurns(turns, directory);
  side.resume();
  const call = { model_name: 'mlp', inputs: [input], raw_input_contents: [RAW_ROW] };
  await grpcLoad(side.grpcPort as number, call, CONNECTIONS, WARM_SECONDS);
  const grpc = await grpcLoad(side.grpcPort as number, call, CONNECTIONS, SECONDS);
  side.pause();
  const { rate } = plain as Load;
  const beside = (metric: string, load: Load, target?: number): BenchResult => ({
    ...{ name: 'gateway', metric: `mlp, ${metric}, beside its JSON`, value: load.rate, unit: 'requests/s' },
    ...{
      peer: 'JSON, the same process',
      peerValue: rate,
      ratio: load.rate / rate,
      pass: target === undefined || load.rate >= target * rate,
    },
    ...(target === undefined ? {} : { target: `>= ${target}x the peer` }),
  });
  return [
    beside('binary REST', raw as Load),
    beside('gRPC, raw, one connection, the client on the other core', grpc),
    beside(`${COLUMNS} features of an entity from Redis`, looked as Load, 0.5),
  ];
}

await runAlone(import.meta.url, run);
