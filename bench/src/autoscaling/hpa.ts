import { CLUSTER } from './policy.js';

/** One metric as the autoscaler reads it: a value of each replica that has one. */
export interface Reading {
  readonly values: readonly number[];
  /** Average over the replicas that is wanted. */
  readonly target: number;
}

/** How fast replicas may be added or taken, as `behavior` of an HPA says it. */
export interface ScalingRules {
  readonly stabilizationSeconds: number;
  readonly percent: number;
  /** Beside the percentage, whichever lets more; none when absent. */
  readonly pods?: number;
  readonly periodSeconds: number;
}

export interface HpaOptions {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly scaleUp: ScalingRules;
  readonly scaleDown: ScalingRules;
}

/**
 * The algorithm of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2), as its documentation and `replica_calculator.go` say it: the ratio of each
 * metric with its tolerance, replicas without a metric counted for the side that changes less, the largest wish of all metrics, windows of
 * stabilization, and limits of change a period.
 */
export class Hpa {
  readonly #wishes: { readonly at: number; readonly replicas: number }[] = [];
  readonly #changes: { readonly at: number; readonly by: number }[] = [];

  constructor(private readonly options: HpaOptions) {}

  /** What to set the replicas to, at `now` seconds, from `current` replicas and what the metrics say. */
  desired(now: number, current: number, readings: readonly Reading[]): number {
    const { minReplicas, maxReplicas, scaleUp, scaleDown } = this.options;
    if (readings.every(({ values }) => values.length === 0)) return current;
    const wish = Math.max(...readings.filter(({ values }) => values.length > 0).map((reading) => wishOf(reading, current)));
    const bounded = Math.min(maxReplicas, Math.max(minReplicas, wish));
    // What there is counts as wanted when it is seen for the first time.
    if (this.#wishes.length === 0) this.#wishes.push({ at: now, replicas: current });
    else this.#wishes.push({ at: now, replicas: bounded });
    const longest = Math.max(scaleUp.stabilizationSeconds, scaleDown.stabilizationSeconds);
    while ((this.#wishes[0]?.at ?? now) < now - longest) this.#wishes.shift();
    const within = (seconds: number): number[] => this.#wishes.filter(({ at }) => at >= now - seconds).map(({ replicas }) => replicas);
    const least = Math.min(...within(scaleUp.stabilizationSeconds));
    const most = Math.max(...within(scaleDown.stabilizationSeconds));
    const stable = current < least ? least : current > most ? most : current;
    const next = Math.min(this.#ceiling(now, current), Math.max(this.#floor(now, current), stable));
    if (next !== current) this.#changes.push({ at: now, by: next - current });
    return next;
  }

  #ceiling(now: number, current: number): number {
    const { percent, pods = 0, periodSeconds } = this.options.scaleUp;
    const before = current - this.#changed(now, periodSeconds, 1);
    return Math.max(current, before + pods, Math.ceil(before * (1 + percent / 100)));
  }

  #floor(now: number, current: number): number {
    const { percent, pods = 0, periodSeconds } = this.options.scaleDown;
    const before = current - this.#changed(now, periodSeconds, -1);
    return Math.min(current, Math.floor(Math.min(before - pods, before * (1 - percent / 100))));
  }

  #changed(now: number, seconds: number, sign: 1 | -1): number {
    return this.#changes.filter(({ at, by }) => at > now - seconds && by * sign > 0).reduce((sum, { by }) => sum + by, 0);
  }
}

function wishOf({ values, target }: Reading, current: number): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const ratio = sum / values.length / target;
  if (Math.abs(ratio - 1) <= CLUSTER.hpaTolerance) return current;
  const missing = Math.max(0, current - values.length);
  if (missing === 0) return Math.ceil(ratio * current);
  // A replica without a value idles when replicas are to be added, and is as wanted when they are to be taken.
  const careful = (sum + (ratio < 1 ? missing * target : 0)) / current / target;
  if (Math.abs(careful - 1) <= CLUSTER.hpaTolerance || ratio < 1 !== careful < 1) return current;
  return Math.ceil(careful * current);
}
