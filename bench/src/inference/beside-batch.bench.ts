import { addsModel } from '@millrace/onnx';
import { waitFor } from '@millrace/testing';
import { median, runAlone, type BenchResult } from '../bench-result.js';
import { paced, type Paced } from './paced-client.js';
import { call, deploy, question, register, withPlatform } from '../served-platform.js';

const RATE = 300;
const SECONDS = 6;
const ROUNDS = 3;
/** More than are scored in a round: the job is stopped then. */
const ROWS = 5_000_000;

interface Job {
  readonly id: string;
  readonly progress: { readonly rows: number; readonly chunks: number };
}

/** A fast model's answers alone, and while a batch job scores rows in the same process by the same model: what it costs who waits. */
export async function besideBatch(): Promise<BenchResult[]> {
  return withPlatform({ MILLRACE_INFERENCE_RUNNER: 'in-loop' }, async (url) => {
    await register(url, 'fast', addsModel(1));
    await deploy(url, 'fast', 'models:/fast/1');
    const online = (seconds: number): Promise<Paced> =>
      paced({ ...question(url, 'fast'), rate: RATE, goesOn: (elapsed) => elapsed < seconds * 1000 });
    await online(2);
    const alone: Paced[] = [];
    const beside: Paced[] = [];
    const speeds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      alone.push(await online(SECONDS));
      const { id } = await begun(url, round);
      const [before, started] = [await rowsOf(url, id), performance.now()];
      beside.push(await online(SECONDS));
      speeds.push((((await rowsOf(url, id)) - before) * 1000) / (performance.now() - started));
      await call('DELETE', `${url}/api/v1/batch-jobs/${id}`);
    }
    return figures(alone, beside, median(speeds));
  });
}

/** A job that has scored its first chunk: reading the query's rows is over. */
async function begun(url: string, round: number): Promise<Job> {
  const query = `SELECT toFloat32(number % 1000 + ${round}) AS x FROM numbers(${ROWS})`;
  const body = JSON.stringify({ deployment: 'fast', input: { query } });
  const { id } = (await call('POST', `${url}/api/v1/batch-jobs`, body)) as Job;
  const job = async (): Promise<Job> => (await call('GET', `${url}/api/v1/batch-jobs/${id}`)) as Job;
  return waitFor(
    async () => {
      const shown = await job();
      return shown.progress.chunks > 0 && shown;
    },
    { what: 'the job to score', timeoutMs: 120_000 },
  );
}

async function rowsOf(url: string, id: string): Promise<number> {
  return ((await call('GET', `${url}/api/v1/batch-jobs/${id}`)) as Job).progress.rows;
}

function figures(alone: readonly Paced[], beside: readonly Paced[], rows: number): BenchResult[] {
  const failed = [...alone, ...beside].find(({ failures }) => failures > 0);
  if (failed) throw new Error(`a request failed: ${failed.firstFailure}`);
  const common = { name: 'engine', unit: 'ms' };
  const figure = (quantile: 'p50' | 'p99'): BenchResult => {
    const [quiet, value] = [median(alone.map((round) => round[quantile])), median(beside.map((round) => round[quantile]))];
    const metric = `fast model at ${RATE} requests/s beside a batch job of the same model, ${quantile}`;
    return {
      ...{ ...common, metric, value, target: quantile === 'p99' ? '<= 2x alone' : '' },
      ...{ peer: 'alone', peerValue: quiet, ratio: quiet / value, pass: quantile === 'p50' || value <= 2 * quiet },
    };
  };
  const speed = { name: 'engine', metric: `the batch job meanwhile`, value: rows, unit: 'rows/s', pass: rows > 0 };
  return [figure('p50'), figure('p99'), speed];
}

await runAlone(import.meta.url, besideBatch);
