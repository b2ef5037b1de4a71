import { addsModel, slowAddsModel } from '@millrace/onnx';
import { waitFor } from '@millrace/testing';
import { median, runAlone, type BenchResult } from '../bench-result.js';
import { besideBatch } from './beside-batch.bench.js';
import { paced, type Paced } from './paced-client.js';
import { ask, call, deploy, question, register, runMs, withPlatform } from '../served-platform.js';

const SLOW_MS = 50;
const FAST_RATE = 300;
const SECONDS = 6;
const ROUNDS = 3;
const SWAPS = 100;
const SWAP_RATE = 2_000;
/** What a run of a first guess is scaled by. */
const TRIED_LAYERS = 400;

/** A fast model alone and beside one of 50 ms a run that is always busy, in turns; the same with both in the event loop; beside a batch job; and swaps under load. */
export async function run(): Promise<BenchResult[]> {
  const auto = await beside('auto');
  const inLoop = await beside('in-loop');
  return [...figures(auto, inLoop), ...(await besideBatch()), await swaps()];
}

interface Beside {
  readonly alone: readonly Paced[];
  readonly besideSlow: readonly Paced[];
  readonly slowRuns: number;
  readonly slowMs: number;
}

async function beside(runner: 'auto' | 'in-loop'): Promise<Beside> {
  return withPlatform({ MILLRACE_INFERENCE_RUNNER: runner }, async (url) => {
    await register(url, 'fast', addsModel(1));
    await register(url, 'slow', slowAddsModel(1, TRIED_LAYERS));
    const tried = await runMs(url, 'slow', 1);
    await register(url, 'slow', slowAddsModel(1, Math.round((TRIED_LAYERS * SLOW_MS) / tried)));
    await deploy(url, 'fast', 'models:/fast/1');
    await deploy(url, 'slow', 'models:/slow/2');
    const fast = (seconds: number): Promise<Paced> =>
      paced({ ...question(url, 'fast'), rate: FAST_RATE, goesOn: (elapsed) => elapsed < seconds * 1000 });
    await fast(2);
    const alone: Paced[] = [];
    const besideSlow: Paced[] = [];
    let slowRuns = 0;
    for (let round = 0; round < ROUNDS; round++) {
      alone.push(await fast(SECONDS));
      let isOver = false;
      const busy = Promise.all(
        [1, 2].map(async () => {
          for (; !isOver; slowRuns++) await ask(url, 'slow');
        }),
      );
      besideSlow.push(await fast(SECONDS));
      isOver = true;
      await busy;
    }
    return { alone, besideSlow, slowRuns, slowMs: await runMs(url, 'slow', 2) };
  });
}

function figures(auto: Beside, inLoop: Beside): BenchResult[] {
  const failed = [...auto.alone, ...auto.besideSlow].find(({ failures }) => failures > 0);
  if (failed) throw new Error(`a request failed: ${failed.firstFailure}`);
  const of = (rounds: readonly Paced[], quantile: 'p50' | 'p99'): number => median(rounds.map((round) => round[quantile]));
  const what = `fast model at ${FAST_RATE} requests/s`;
  const slow = `beside a slow one (${auto.slowMs.toFixed(0)} ms a run, always busy)`;
  return (['p50', 'p99'] as const).flatMap((quantile) => {
    const [alone, value] = [of(auto.alone, quantile), of(auto.besideSlow, quantile)];
    const held = of(inLoop.besideSlow, quantile);
    const common = { name: 'engine', unit: 'ms' };
    return [
      { ...common, metric: `${what} alone, ${quantile}`, value: alone, pass: true },
      {
        ...{ ...common, metric: `${what} ${slow}, ${quantile}`, value, target: quantile === 'p99' ? '<= 2x alone' : '' },
        ...{ peer: 'alone', peerValue: alone, ratio: alone / value, pass: quantile === 'p50' || value <= 2 * alone },
      },
      {
        ...{ ...common, metric: `${what} ${slow}, in threads beside in the loop, ${quantile}`, value, target: 'less than the peer' },
        ...{ peer: 'both in the event loop', peerValue: held, ratio: held / value, pass: value < held },
      },
    ];
  });
}

async function swaps(): Promise<BenchResult> {
  return withPlatform({}, async (url) => {
    for (let version = 1; version <= SWAPS + 1; version++) await register(url, 'swapped', addsModel(version));
    await alias(url, 1);
    await deploy(url, 'swapped', 'models:/swapped@live');
    let newest = 1;
    let isOver = false;
    const load = paced({
      ...question(url, 'swapped'),
      rate: SWAP_RATE,
      goesOn: () => !isOver,
      onReply: (body) => {
        const reply = JSON.parse(body) as { model_version: string; outputs: { data: number[] }[] };
        const version = Number(reply.model_version);
        if (reply.outputs[0]?.data[0] !== 1 + version) throw new Error(`a wrong answer: ${body}`);
        newest = Math.max(newest, version);
      },
    });
    try {
      for (let version = 2; version <= SWAPS + 1; version++) {
        await alias(url, version);
        await waitFor(() => newest === version, { what: `version ${version} to answer`, timeoutMs: 60_000 });
      }
    } finally {
      isOver = true;
    }
    const { requests, failures, firstFailure } = await load;
    if (firstFailure !== undefined) console.log(`  first failure: ${firstFailure}`);
    const metric = `failed of ${requests} requests at ${SWAP_RATE} requests/s during ${SWAPS} swaps of the version`;
    return { name: 'engine', metric, value: failures, unit: 'requests', target: '0', pass: failures === 0 };
  });
}

async function alias(url: string, version: number): Promise<void> {
  const body = JSON.stringify({ name: 'swapped', alias: 'live', version: String(version) });
  await call('POST', `${url}/api/2.0/mlflow/registered-models/alias`, body);
}

await runAlone(import.meta.url, run);
