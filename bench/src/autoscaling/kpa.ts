import { CLUSTER } from './policy.js';

export interface KpaOptions {
  readonly maxReplicas: number;
  /** Requests in flight that a replica is to have on average. */
  readonly targetInFlight: number;
  readonly windowSeconds: number;
  readonly panicWindowPercent: number;
  readonly panicThresholdPercent: number;
  /** A smaller number has to be wanted for so long before it is taken. */
  readonly scaleDownDelaySeconds: number;
  /** The last replica stays so much longer. */
  readonly retentionSeconds: number;
}

/**
 * The algorithm of Knative's pod autoscaler (`pkg/autoscaler/scaling/autoscaler.go`): requests in flight, averaged over a stable and a panic window;
 * in panic replicas are only added.
 */
export class Kpa {
  readonly #seen: { readonly at: number; readonly inFlight: number }[] = [];
  readonly #wishes: { readonly at: number; readonly replicas: number }[] = [];
  #panicUntil = -Infinity;
  #mostInPanic = 0;
  #idleSince: number | undefined;

  constructor(private readonly options: KpaOptions) {}

  /** `inFlight`: of all replicas and what waits in front of them, on average since the last call. */
  desired(now: number, ready: number, inFlight: number): number {
    const { windowSeconds, panicWindowPercent, panicThresholdPercent, targetInFlight, maxReplicas } = this.options;
    this.#seen.push({ at: now, inFlight });
    while ((this.#seen[0]?.at ?? now) <= now - windowSeconds) this.#seen.shift();
    const stable = this.#mean(now - windowSeconds) / targetInFlight;
    const panic = this.#mean(now - (windowSeconds * panicWindowPercent) / 100) / targetInFlight;
    const have = Math.max(1, ready);
    const most = Math.ceil(CLUSTER.kpaMaxScaleUpRate * have);
    const least = Math.floor(ready / CLUSTER.kpaMaxScaleDownRate);
    const bounded = (wish: number): number => Math.min(most, Math.max(least, Math.ceil(wish)));
    if (panic / have >= panicThresholdPercent / 100) {
      if (this.#panicUntil < now) this.#mostInPanic = 0;
      this.#panicUntil = now + windowSeconds;
    }
    let wish = bounded(stable);
    if (now < this.#panicUntil) {
      this.#mostInPanic = Math.max(this.#mostInPanic, ready, bounded(panic), wish);
      wish = this.#mostInPanic;
    }
    return this.#retained(now, ready, this.#delayed(now, ready, Math.min(maxReplicas, wish)));
  }

  #mean(since: number): number {
    const values = this.#seen.filter(({ at }) => at > since);
    return values.reduce((sum, { inFlight }) => sum + inFlight, 0) / Math.max(1, values.length);
  }

  #delayed(now: number, ready: number, wish: number): number {
    // What there is counts as wanted when it is seen for the first time.
    this.#wishes.push({ at: now, replicas: this.#wishes.length === 0 ? Math.max(wish, ready) : wish });
    while ((this.#wishes[0]?.at ?? now) < now - this.options.scaleDownDelaySeconds) this.#wishes.shift();
    return Math.max(...this.#wishes.map(({ replicas }) => replicas));
  }

  #retained(now: number, ready: number, wish: number): number {
    if (wish > 0) {
      this.#idleSince = undefined;
      return wish;
    }
    this.#idleSince ??= now;
    const isOver = now - this.#idleSince >= this.options.retentionSeconds + CLUSTER.kpaZeroGraceSeconds;
    return isOver ? 0 : Math.min(1, ready);
  }
}
