// npm run bench -- autoscaling
// Cold starts and the time of a row of the real engine; the policy of the manifests simulated with them; and the simulator beside real processes.
import { tempDir } from '@millrace/testing';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { runAlone, type BenchResult } from '../bench-result.js';
import { cpuPolicy, hpaPolicy, kedaPolicy, knativePolicy, staticFleet, type Autoscaler } from './autoscalers.js';
import { coldStarts } from './cold-start.js';
import { prepare, startInference } from './inference-process.js';
import { loadShapes, type LoadShape } from './load-shapes.js';
import { FORGIVEN_SECONDS, POLICY } from './policy.js';
import type { ServiceCurve } from './replica.js';
import { serviceCurve } from './service-curve.js';
import { simulate, type Outcome } from './simulate.js';
import { stepCheck } from './step-check.js';

const SEED = 7;
type Figure = Omit<BenchResult, 'name'>;

export async function run(): Promise<BenchResult[]> {
  const directory = await tempDir('bench-autoscaling');
  try {
    const data = join(directory.path, 'data');
    await prepare(data);
    const cache = join(directory.path, 'compiled');
    const starts = await coldStarts(data, cache);
    const env = { NODE_COMPILE_CACHE: cache, MILLRACE_LOG_LEVEL: 'error' };
    const second = join(directory.path, 'second');
    await cp(data, second, { recursive: true });
    const first = await startInference(data, env);
    const curve = await serviceCurve(first.url);
    const check = await stepCheck(first.url, second, curve, env);
    await first.process.stop(30_000);
    const startSeconds = starts.compiled.readyMs / 1000;
    return [
      ...startFigures(starts),
      { metric: 'a request alone, model of about 5 ms a row', value: curve.fixedMs + curve.rowMs, unit: 'ms', pass: true },
      { metric: 'requests/s of one replica that is always busy', value: 1000 / curve.rowMs, unit: 'requests/s', pass: true },
      ...checkFigures(check),
      ...simulations(curve, startSeconds),
    ].map((figure) => ({ name: 'autoscaling', ...figure }));
  } finally {
    await directory.remove();
  }
}

function startFigures({ cold, compiled, warm }: Awaited<ReturnType<typeof coldStarts>>): Figure[] {
  const before = { peer: 'no compiled code, nothing folded', unit: 'ms' };
  const figure = (what: string, ours: number, theirs: number): Figure => ({
    ...{ metric: `start of the inference process (embedded stores), ${what}`, value: ours, ...before },
    ...{ peerValue: theirs, ratio: theirs / ours, pass: true },
  });
  return [
    figure('compiled code, nothing folded: until the first answer', compiled.answeredMs, cold.answeredMs),
    figure('compiled code, nothing folded: Node and code', compiled.codeMs, cold.codeMs),
    figure('compiled code, nothing folded: from there until it listens', compiled.openedMs - compiled.codeMs, cold.openedMs - cold.codeMs),
    figure('compiled code, nothing folded: until it is ready', compiled.readyMs - compiled.openedMs, cold.readyMs - cold.openedMs),
    figure('compiled code, nothing folded: until the model is loaded and warm', compiled.loadedMs, cold.loadedMs),
    figure('compiled code, used data directory: until the first answer', warm.answeredMs, cold.answeredMs),
  ];
}

function checkFigures({ real, simulated, startSeconds }: Awaited<ReturnType<typeof stepCheck>>): Figure[] {
  const what = `a step of the load on 1 replica, a second after ${startSeconds.toFixed(1)} s`;
  const peer = 'real processes';
  const [ours, theirs] = [100 * simulated.within, 100 * real.within];
  return [
    { metric: `${what}: within 100 ms, simulated`, value: ours, unit: '%', peer, peerValue: theirs, ratio: ours / theirs, pass: true },
    {
      ...{ metric: `${what}: p99, simulated`, value: simulated.p99Ms, unit: 'ms', peer, peerValue: real.p99Ms },
      ...{ ratio: simulated.p99Ms / real.p99Ms, pass: true },
    },
  ];
}

function simulations(curve: ServiceCurve, startSeconds: number): Figure[] {
  const unit = 1000 / curve.rowMs;
  const figures: Figure[] = [];
  for (const shape of loadShapes(unit)) {
    const play = (autoscaler: Autoscaler): Outcome =>
      simulate({ shape, autoscaler, curve, startSeconds, seed: SEED, forgivenSeconds: FORGIVEN_SECONDS });
    // The smallest fleet that holds the target, as somebody would choose it who knew the load beforehand.
    let replicas = Math.ceil(shape.peak / unit);
    let fleet = play(staticFleet(replicas));
    while (fleet.within < POLICY.withinLatency) fleet = play(staticFleet(++replicas));
    const always = `${replicas} all the time, enough for 99 %`;
    const isZero = shape.name === 'from zero';
    for (const autoscaler of isZero ? [knativePolicy()] : [hpaPolicy(), kedaPolicy(), knativePolicy(), cpuPolicy()])
      figures.push(...told(shape, autoscaler.name, play(autoscaler), always, fleet, autoscaler.name !== 'HPA on CPU'));
  }
  return figures;
}

function told(shape: LoadShape, name: string, outcome: Outcome, fleet: string, beside: Outcome, isOurs: boolean): Figure[] {
  const { within, withinElsewhere, recoveredSeconds, turns, most, replicaHours, p99Ms } = outcome;
  const share = (value: number): string => `${(100 * value).toFixed(2)} %`;
  const jump = shape.jumps.length > 0 ? `, held again ${recoveredSeconds} s after the jump` : '';
  const what = `simulated, ${shape.name}, ${name}`;
  const detail = `all ${share(within)}, p99 ${p99Ms.toFixed(0)} ms, ${turns} turns, at most ${most} replicas${jump}`;
  console.log(`  ${what}: ${detail}; replicas by the minute: ${outcome.replicas.join(' ')}`);
  const held = withinElsewhere >= POLICY.withinLatency;
  return [
    {
      ...{
        metric: `${what}: within ${POLICY.latencyMs} ms (not counting ${FORGIVEN_SECONDS} s after a jump)`,
        value: 100 * withinElsewhere,
        unit: '%',
      },
      ...(isOurs ? { target: '>= 99', pass: held } : { pass: true }),
    },
    { metric: `${what}: turns of the number of replicas (the load has ${shape.turns})`, value: turns, unit: 'turns', pass: true },
    {
      ...{ metric: `${what}: cost`, value: replicaHours, unit: 'replica-hours', peer: fleet, peerValue: beside.replicaHours },
      ...{ ratio: beside.replicaHours / replicaHours, pass: true },
    },
  ];
}

await runAlone(import.meta.url, run);
