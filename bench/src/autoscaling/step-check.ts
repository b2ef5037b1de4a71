import { randomNumbers } from '@millrace/statistics';
import { Agent } from 'node:http';
import { startInference } from './inference-process.js';
import type { LoadShape } from './load-shapes.js';
import { CLUSTER } from './policy.js';
import type { ServiceCurve } from './replica.js';
import { ask } from './service-curve.js';
import { simulate } from './simulate.js';

const STEP_AT = 10;
const ADDED_AT = 14;
const SECONDS = 45;
const LATENCY_MS = 100;

export interface StepCheck {
  /** Share of the requests that were answered within 100 ms, and seconds after the step in which it was held again. */
  readonly real: Held;
  readonly simulated: Held;
  readonly startSeconds: number;
}

interface Held {
  readonly within: number;
  readonly p99Ms: number;
}

/** One load step on real processes, a second one started four seconds after it on the data directory `second`, beside the simulator with the same times. */
export async function stepCheck(
  url: string,
  second: string,
  curve: ServiceCurve,
  env: Readonly<Record<string, string>>,
): Promise<StepCheck> {
  const unit = 1000 / curve.rowMs;
  const rate = (at: number): number => unit * (at >= STEP_AT ? 1.2 : 0.5);
  const shape: LoadShape = { name: 'step', seconds: SECONDS, rate, peak: 1.2 * unit, jumps: [STEP_AT], turns: 0 };
  const urls = [url];
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const random = randomNumbers(3);
  const took: number[] = [];
  const under: Promise<void>[] = [];
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  let startSeconds = 0;
  const added = (async () => {
    await new Promise((resolve) => setTimeout(resolve, ADDED_AT * 1000));
    const since = elapsed();
    const replica = await startInference(second, env);
    startSeconds = elapsed() - since;
    urls.push(replica.url);
    return replica.process;
  })();
  for (let due = 0; due < SECONDS; due += -Math.log(1 - random()) / rate(due)) {
    while (elapsed() < due) await new Promise((resolve) => setTimeout(resolve, 1));
    const dueAt = started + due * 1000;
    const to = urls[Math.floor(random() * urls.length)] as string;
    under.push(ask(agent, to).then(() => void took.push(performance.now() - dueAt)));
  }
  await Promise.all(under);
  agent.destroy();
  await (await added).stop(30_000);
  const autoscaler = {
    ...{ name: 'by the clock', everySeconds: 1, scrapeSeconds: 1, minReplicas: 1, hasActivator: false },
    desired: ({ now }: { now: number }) => (now >= ADDED_AT ? 2 : 1),
  };
  // No cluster schedules this one or looks whether it is ready.
  const own = startSeconds - CLUSTER.scheduleSeconds - CLUSTER.readinessPeriodSeconds;
  const { within, p99Ms } = simulate({ shape, autoscaler, curve, startSeconds: own, seed: 3, forgivenSeconds: 0 });
  took.sort((a, b) => a - b);
  return {
    real: { within: took.filter((ms) => ms <= LATENCY_MS).length / took.length, p99Ms: took[Math.floor(took.length * 0.99)] as number },
    simulated: { within, p99Ms },
    startSeconds,
  };
}
