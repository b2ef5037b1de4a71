import { Hpa, type Reading } from './hpa.js';
import { Kpa } from './kpa.js';
import { CLUSTER, POLICY } from './policy.js';

/** What a replica showed when its metrics were read. */
export interface Sample {
  readonly at: number;
  /** Seconds it has been busy since its start. */
  readonly busy: number;
  readonly queued: number;
}

/** What an autoscaler sees of the fleet. */
export interface Sight {
  readonly now: number;
  /** Replicas that exist and are not being ended. */
  readonly current: number;
  readonly ready: number;
  /** Of each replica that is ready, the oldest first. */
  readonly samples: readonly (readonly Sample[])[];
  /** Requests in flight everywhere, on average since the last look. */
  readonly inFlight: number;
}

export interface Autoscaler {
  readonly name: string;
  readonly everySeconds: number;
  readonly scrapeSeconds: number;
  readonly minReplicas: number;
  /** Requests go to the less loaded of two replicas, and wait in front of them while there is none. */
  readonly hasActivator: boolean;
  readonly maxBatchRows?: number;
  desired(sight: Sight): number;
}

const { minReplicas, maxReplicas, scaleUp, scaleDown, scrapeSeconds, rateSeconds } = POLICY;
const BOUNDS = { minReplicas, maxReplicas };

/** `deploy/kubernetes/inference/hpa.yaml`. */
export function hpaPolicy(): Autoscaler {
  const hpa = new Hpa({ ...BOUNDS, scaleUp, scaleDown });
  return {
    ...{ name: 'HPA', everySeconds: CLUSTER.hpaSyncSeconds, scrapeSeconds, minReplicas, hasActivator: false },
    desired: ({ now, current, samples }) => hpa.desired(now, current, readings(samples, now)),
  };
}

/** `deploy/kubernetes/inference/keda.yaml`: sums that an HPA divides by the target, so a replica that is starting has no say. */
export function kedaPolicy(): Autoscaler {
  const hpa = new Hpa({ ...BOUNDS, scaleUp, scaleDown });
  const filled = ({ values, target }: Reading, current: number): Reading => ({
    values: [...values, ...new Array<number>(Math.max(0, current - values.length)).fill(0)],
    target,
  });
  return {
    ...{ name: 'KEDA', everySeconds: CLUSTER.hpaSyncSeconds, scrapeSeconds, minReplicas, hasActivator: false },
    desired: ({ now, current, samples }) =>
      hpa.desired(
        now,
        current,
        readings(samples, now).map((reading) => filled(reading, current)),
      ),
  };
}

/** `deploy/kubernetes/inference/knative.yaml`. */
export function knativePolicy(): Autoscaler {
  const { containerConcurrency, ...rest } = POLICY.knative;
  const kpa = new Kpa({ ...rest, maxReplicas });
  return {
    ...{ name: 'Knative', everySeconds: CLUSTER.kpaTickSeconds, scrapeSeconds: 1, minReplicas: 0, hasActivator: true },
    maxBatchRows: containerConcurrency,
    desired: ({ now, ready, inFlight }) => kpa.desired(now, ready, inFlight),
  };
}

const CPU_TARGET = 0.8;
const CPU_SECONDS = 15;

/** What one has who types `kubectl autoscale --cpu=80%`: Kubernetes' defaults on the share of a core. */
export function cpuPolicy(): Autoscaler {
  const rules = { stabilizationSeconds: 0, percent: 100, periodSeconds: 15 };
  const hpa = new Hpa({ ...BOUNDS, scaleUp: { ...rules, pods: 4 }, scaleDown: { ...rules, stabilizationSeconds: 300 } });
  return {
    ...{ name: 'HPA on CPU', everySeconds: CLUSTER.hpaSyncSeconds, scrapeSeconds: CPU_SECONDS, minReplicas, hasActivator: false },
    desired: ({ now, current, samples }) =>
      hpa.desired(now, current, [{ values: shares(samples, now, 2 * CPU_SECONDS), target: CPU_TARGET }]),
  };
}

/** As many all the time as the highest load takes at the target. */
export function staticFleet(replicas: number): Autoscaler {
  const common = { everySeconds: CLUSTER.hpaSyncSeconds, scrapeSeconds, minReplicas: replicas, hasActivator: false };
  return { name: `${replicas} always`, ...common, desired: () => replicas };
}

function readings(samples: Sight['samples'], now: number): Reading[] {
  const queued = samples.map((of) => of.filter(({ at }) => at > now - rateSeconds)).filter((of) => of.length > 0);
  return [
    { values: shares(samples, now, rateSeconds), target: POLICY.busyShare },
    { values: queued.map((of) => of.reduce((sum, { queued: rows }) => sum + rows, 0) / of.length), target: POLICY.queuedRows },
  ];
}

/** `rate(busy[seconds])`: of replicas that were read twice within it. */
function shares(samples: Sight['samples'], now: number, seconds: number): number[] {
  return samples.flatMap((of) => {
    const within = of.filter(({ at }) => at > now - seconds);
    const [first, last] = [within[0], within.at(-1)];
    return first && last && last.at > first.at ? [(last.busy - first.busy) / (last.at - first.at)] : [];
  });
}
