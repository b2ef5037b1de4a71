import { randomNumbers } from '@millrace/statistics';
import type { Autoscaler, Sample } from './autoscalers.js';
import type { LoadShape } from './load-shapes.js';
import { CLUSTER, POLICY } from './policy.js';
import { Replica, type ServiceCurve } from './replica.js';

// Taken once: in a test, where the globals are those of a context of its own, each look at one costs as much as the arithmetic around it.
const { ceil, floor, log, max } = Math;
const NEVER = Infinity;

export interface SimulationOptions {
  readonly shape: LoadShape;
  readonly autoscaler: Autoscaler;
  readonly curve: ServiceCurve;
  /** From the process's start until it is ready: a cold start, measured. */
  readonly startSeconds: number;
  readonly seed: number;
  /** A jump of the load is forgiven for so long. */
  readonly forgivenSeconds: number;
}

export interface Outcome {
  readonly requests: number;
  readonly p99Ms: number;
  /** Share of the requests answered within the policy's latency: of all, and of those that did not come right after a jump. */
  readonly within: number;
  readonly withinElsewhere: number;
  /** Seconds from a jump until of the requests that came in the same second enough were answered in time, for good; 0 where it was always so. */
  readonly recoveredSeconds: number;
  /** Times that replicas were taken after some had been added, or the other way round. */
  readonly turns: number;
  readonly most: number;
  readonly replicaHours: number;
  /** Replicas every minute. */
  readonly replicas: readonly number[];
}

interface Member {
  readonly replica: Replica;
  readonly samples: Sample[];
}

const KEPT_SAMPLES = 8;
/** Bins of a tenth in the logarithm are 10 % wide: fine enough for a quantile that is compared with a target. */
const BINS_PER_E = 100;

/** Runs a load against a fleet that an autoscaler changes. The same options give the same outcome. */
export function simulate({ shape, autoscaler, curve, startSeconds, seed, forgivenSeconds }: SimulationOptions): Outcome {
  const random = randomNumbers(seed);
  const startTakes = CLUSTER.scheduleSeconds + startSeconds + CLUSTER.readinessPeriodSeconds;
  const ending = POLICY.preStopSeconds + POLICY.drainSeconds;
  const answers = new Answers(shape, forgivenSeconds);
  const ownCurve = { ...curve, maxBatchRows: Math.min(curve.maxBatchRows, autoscaler.maxBatchRows ?? Infinity) };
  const create = (at: number, readyAt: number): Member => ({
    replica: new Replica(at, readyAt, ownCurve, (arrived, seconds) => answers.add(arrived, seconds)),
    samples: [],
  });
  // As many as the load at the beginning takes: what happens in the first minutes after a deployment is another question.
  const wanted = Math.ceil((shape.rate(0) * curve.rowMs) / 1000 / POLICY.busyShare);
  let members = Array.from({ length: Math.max(autoscaler.minReplicas, wanted) }, () => create(0, 0));
  let gone: Replica[] = [];
  let held: number[] = [];
  let replicaSeconds = 0;
  let most = 0;
  let inFlightBefore = 0;
  const wished: number[] = [];
  const perMinute: number[] = [];

  const readyAt = (now: number): Member[] => members.filter(({ replica }) => replica.readyAt <= now);
  const inFlightSeconds = (now: number): number =>
    [...members.map(({ replica }) => replica), ...gone].reduce((sum, one) => sum + one.inFlightSeconds(now), 0);
  const send = (at: number, arrived: number, ready: readonly Member[]): void => {
    const pick = (): Replica => (ready[floor(random() * ready.length)] as Member).replica;
    let chosen = pick();
    if (autoscaler.hasActivator) {
      const other = pick();
      if (other.inFlight < chosen.inFlight) chosen = other;
    }
    chosen.arrive(at, arrived);
  };
  let heldSeconds = 0;
  const look = (now: number): void => {
    for (const { replica } of members) replica.advance(now);
    for (const replica of gone) replica.advance(now);
    const ready = readyAt(now);
    const total = inFlightSeconds(now) + heldSeconds;
    const inFlight = Math.max(0, total - inFlightBefore) / autoscaler.everySeconds;
    inFlightBefore = total;
    const samples = ready.map((member) => member.samples);
    const next = autoscaler.desired({ now, current: members.length, ready: ready.length, samples, inFlight });
    wished.push(next);
    while (members.length < next) members.push(create(now, now + startTakes));
    if (members.length > next) {
      // The youngest go first, as in a ReplicaSet.
      for (const { replica } of members.slice(next)) gone.push(replica);
      replicaSeconds += (members.length - next) * ending;
      members = members.slice(0, next);
    }
    most = Math.max(most, members.length);
  };

  const TICK = 1;
  let nextArrival = nextOf(0, shape, random);
  for (let now = 0; now < shape.seconds; now += TICK) {
    if (now % autoscaler.scrapeSeconds === 0) {
      for (const { replica, samples } of readyAt(now)) {
        replica.advance(now);
        samples.push({ at: now, busy: replica.busy(now), queued: replica.queued });
        if (samples.length > KEPT_SAMPLES) samples.shift();
      }
    }
    if (now % autoscaler.everySeconds === 0) look(now);
    if (now % 60 === 0) perMinute.push(members.length);
    replicaSeconds += members.length * TICK;
    const ready = readyAt(now);
    if (ready.length > 0) {
      for (const arrived of held) send(now, arrived, ready);
      held = [];
    }
    while (nextArrival < now + TICK) {
      if (ready.length > 0) send(nextArrival, nextArrival, ready);
      else if (autoscaler.hasActivator) held.push(nextArrival);
      else answers.add(nextArrival, undefined);
      nextArrival = nextOf(nextArrival, shape, random);
    }
    heldSeconds += held.length * TICK;
    gone = gone.filter((replica) => {
      replica.advance(now);
      return replica.inFlight > 0;
    });
  }
  for (const replica of [...members.map((member) => member.replica), ...gone]) replica.advance(Infinity);
  return { ...answers.outcome(), turns: turnsOf(wished), most, replicaHours: replicaSeconds / 3600, replicas: perMinute };
}

/** The next arrival of a Poisson process whose rate is that of the shape. */
function nextOf(after: number, { rate, peak, seconds }: LoadShape, random: () => number): number {
  for (let at = after; ;) {
    at += -log(1 - random()) / peak;
    if (at >= seconds) return Infinity;
    const now = rate(at);
    if (now >= peak || random() * peak < now) return at;
    if (now === 0) at = floor(at) + 1;
  }
}

/** How often a series that went up goes down, or the other way round. */
export function turnsOf(series: readonly number[]): number {
  let turns = 0;
  let direction = 0;
  for (let index = 1; index < series.length; index++) {
    const change = Math.sign((series[index] as number) - (series[index - 1] as number));
    if (change === 0) continue;
    if (direction !== 0 && change !== direction) turns++;
    direction = change;
  }
  return turns;
}

class Answers {
  readonly #bins = new Map<number, number>();
  readonly #late: number[];
  readonly #all: number[];
  #requests = 0;
  #within = 0;
  #elsewhere = 0;
  #withinElsewhere = 0;

  constructor(
    private readonly shape: LoadShape,
    private readonly forgivenSeconds: number,
  ) {
    this.#late = new Array<number>(shape.seconds).fill(0);
    this.#all = new Array<number>(shape.seconds).fill(0);
  }

  /** `seconds`: how long the answer took; `undefined`: there was none in time. */
  add(arrived: number, seconds: number | undefined): void {
    const isWithin = seconds !== undefined && seconds * 1000 <= POLICY.latencyMs;
    const bin = seconds === undefined ? NEVER : ceil(log(max(seconds, 1e-6)) * BINS_PER_E);
    this.#bins.set(bin, (this.#bins.get(bin) ?? 0) + 1);
    this.#requests++;
    if (isWithin) this.#within++;
    const second = floor(arrived);
    this.#all[second] = (this.#all[second] ?? 0) + 1;
    if (!isWithin) this.#late[second] = (this.#late[second] ?? 0) + 1;
    if (this.shape.jumps.some((jump) => arrived >= jump && arrived < jump + this.forgivenSeconds)) return;
    this.#elsewhere++;
    if (isWithin) this.#withinElsewhere++;
  }

  outcome(): Pick<Outcome, 'requests' | 'p99Ms' | 'within' | 'withinElsewhere' | 'recoveredSeconds'> {
    let left = this.#requests * (1 - POLICY.withinLatency);
    let p99Ms = 0;
    for (const [bin, count] of [...this.#bins].sort(([a], [b]) => b - a)) {
      p99Ms = Math.exp(bin / BINS_PER_E) * 1000;
      left -= count;
      if (left < 0) break;
    }
    const share = (part: number, whole: number): number => (whole === 0 ? 1 : part / whole);
    return {
      requests: this.#requests,
      p99Ms,
      within: share(this.#within, this.#requests),
      withinElsewhere: share(this.#withinElsewhere, this.#elsewhere),
      recoveredSeconds: this.#recovered(),
    };
  }

  #recovered(): number {
    const [jump] = this.shape.jumps;
    if (jump === undefined) return 0;
    // Ten seconds at a time: in one second a single late request may be more than the share that may be late.
    const isLate = (from: number): boolean => {
      const sum = (of: readonly number[]): number => of.slice(from, from + 10).reduce((total, one) => total + one, 0);
      return sum(this.#late) > sum(this.#all) * (1 - POLICY.withinLatency);
    };
    let until = jump;
    while (until < this.shape.seconds && isLate(until)) until += 10;
    return until - jump;
  }
}
