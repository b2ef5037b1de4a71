import { describe, expect, test } from '@jest/globals';
import { cpuPolicy, hpaPolicy, kedaPolicy, knativePolicy } from './autoscalers.js';
import { Hpa } from './hpa.js';
import { loadShapes } from './load-shapes.js';
import { FORGIVEN_SECONDS, POLICY, RECORDED } from './policy.js';
import { Replica } from './replica.js';
import { simulate, turnsOf, type Outcome } from './simulate.js';

const unit = 1000 / RECORDED.curve.rowMs;
const shapes = loadShapes(unit);
const played = (shapeName: string, autoscaler: Parameters<typeof simulate>[0]['autoscaler']): Outcome => {
  const shape = shapes.find(({ name }) => name === shapeName) as (typeof shapes)[number];
  return simulate({ ...RECORDED, shape, autoscaler, seed: 7, forgivenSeconds: FORGIVEN_SECONDS });
};

describe('the policy of the manifests, simulated with the recorded times of the engine', () => {
  const forHpa = shapes.filter(({ name }) => name !== 'from zero');
  test.each(forHpa)('HPA holds the latency under the load "$name" and does not thrash', ({ name, jumps, turns }) => {
    const outcome = played(name, hpaPolicy());
    expect(outcome.requests).toBeGreaterThan(100_000);
    expect(outcome.withinElsewhere).toBeGreaterThanOrEqual(POLICY.withinLatency);
    if (jumps.length === 0) expect(outcome.within).toBeGreaterThanOrEqual(POLICY.withinLatency);
    expect(outcome.recoveredSeconds).toBeLessThanOrEqual(FORGIVEN_SECONDS);
    expect(outcome.turns).toBeLessThanOrEqual(turns);
  });

  test.each(['step x5', 'spike', 'from zero'])('Knative holds it under the load "%s"', (name) => {
    const outcome = played(name, knativePolicy());
    expect(outcome.withinElsewhere).toBeGreaterThanOrEqual(POLICY.withinLatency);
    expect(outcome.recoveredSeconds).toBeLessThanOrEqual(FORGIVEN_SECONDS);
    // Each minute after a change its window forgets the panic: it corrects itself by one replica now and then.
    expect(outcome.turns).toBeLessThanOrEqual(MOST_KNATIVE_TURNS);
    if (name === 'from zero') expect(outcome.replicas.filter((replicas) => replicas === 0).length).toBeGreaterThan(10);
  });

  test('KEDA scales as HPA does', () => {
    const [hpa, keda] = [played('step x5', hpaPolicy()), played('step x5', kedaPolicy())];
    expect(keda.withinElsewhere).toBeGreaterThanOrEqual(POLICY.withinLatency);
    expect(Math.abs(keda.replicaHours / hpa.replicaHours - 1)).toBeLessThan(0.1);
  });

  test('it holds the target again sooner after a step than the share of CPU does', () => {
    const [policy, cpu] = [played('step x5', hpaPolicy()), played('step x5', cpuPolicy())];
    expect(policy.recoveredSeconds).toBeLessThan(cpu.recoveredSeconds);
    expect(policy.withinElsewhere).toBeGreaterThan(cpu.withinElsewhere);
  });

  test('the same seed gives the same outcome', () => {
    expect(played('from zero', knativePolicy())).toEqual(played('from zero', knativePolicy()));
  });
});

const MOST_KNATIVE_TURNS = 16;

describe('the algorithm of HPA', () => {
  const rules = { stabilizationSeconds: 0, percent: 100, pods: 4, periodSeconds: 15 };
  const hpa = (down = 300): Hpa =>
    new Hpa({
      minReplicas: 1,
      maxReplicas: 50,
      scaleUp: rules,
      scaleDown: { stabilizationSeconds: down, percent: 100, periodSeconds: 15 },
    });
  const all = (value: number, count: number, target = 1) => [{ values: new Array<number>(count).fill(value), target }];
  /** The first look only notes what there is. */
  const warm = (one: Hpa, current: number): Hpa => (one.desired(-15, current, all(1, current)), one);

  test('wants the ratio of the metric to its target, rounded up, and nothing within a tenth', () => {
    expect(warm(hpa(), 4).desired(0, 4, all(1.5, 4))).toBe(6);
    expect(warm(hpa(), 4).desired(0, 4, all(1.09, 4))).toBe(4);
    expect(warm(hpa(0), 4).desired(0, 4, all(0.5, 4))).toBe(2);
  });

  test('takes the largest wish of several metrics', () => {
    expect(warm(hpa(), 4).desired(0, 4, [...all(0.2, 4), ...all(3, 4, 2)])).toBe(6);
  });

  test('adds at most what a period allows', () => {
    const one = warm(hpa(), 3);
    expect(one.desired(0, 3, all(10, 3))).toBe(7);
    expect(one.desired(5, 7, all(10, 7))).toBe(7);
    expect(one.desired(15, 7, all(10, 7))).toBe(14);
  });

  test('takes replicas only when all wishes of its window were as low', () => {
    const one = warm(hpa(), 4);
    expect(one.desired(0, 4, all(0.25, 4))).toBe(4);
    expect(one.desired(270, 4, all(0.5, 4))).toBe(4);
    expect(one.desired(300, 4, all(0.25, 4))).toBe(2);
  });

  test('a replica that has no metric yet counts for the side that changes less', () => {
    expect(warm(hpa(), 4).desired(0, 4, all(2, 2))).toBe(4);
    expect(warm(hpa(0), 4).desired(0, 4, all(0.5, 2))).toBe(3);
  });
});

describe('a simulated replica', () => {
  test('runs at once when it is idle, and what comes meanwhile together', () => {
    const answers: number[] = [];
    const replica = new Replica(0, 0, { fixedMs: 10, rowMs: 10, maxBatchRows: 8 }, (_, seconds) =>
      answers.push(Math.round((seconds ?? 0) * 1000)),
    );
    for (const at of [0, 0.005, 0.01]) replica.arrive(at);
    replica.advance(1);
    // 20 ms for the first; then 30 ms for two, which came 15 and 10 ms before.
    expect(answers).toEqual([20, 45, 40]);
    expect(replica.busy(1)).toBeCloseTo(0.05);
    expect(replica.inFlight).toBe(0);
    expect(replica.inFlightSeconds(1)).toBeCloseTo(0.105);
  });

  test('turns are counted where a series goes the other way', () => {
    expect(turnsOf([1, 2, 2, 3, 2, 2, 1, 4])).toBe(2);
    expect(turnsOf([1, 1, 1])).toBe(0);
  });
});
