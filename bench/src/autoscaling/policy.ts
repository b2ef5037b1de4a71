/**
 * How the inference service is scaled: the numbers that the manifests of `deploy/kubernetes/inference` carry (a test compares them) and that the
 * simulation runs with. Change one here, see what the simulation says, then change the manifest.
 */
export const POLICY = {
  /** What it is for: so many of the requests are answered within so long. */
  latencyMs: 100,
  withinLatency: 0.99,

  minReplicas: 2,
  maxReplicas: 20,
  /** Share of the time that the busiest part of a process is busy, on average over the replicas. */
  busyShare: 0.75,
  /** Rows that wait in a replica, on average over them: what sees an overload that is more than busy. */
  queuedRows: 8,
  /** Prometheus reads the metrics so often, and rates are over so long. */
  scrapeSeconds: 10,
  rateSeconds: 40,

  scaleUp: { stabilizationSeconds: 0, percent: 100, pods: 4, periodSeconds: 15 },
  scaleDown: { stabilizationSeconds: 300, percent: 20, periodSeconds: 60 },

  /** A pod that is told to end is still sent requests for so long (preStop), then answers and says it is not ready (MILLRACE_DRAIN). */
  preStopSeconds: 5,
  drainSeconds: 10,

  keda: {
    pollingSeconds: 15,
    cooldownSeconds: 300,
    fallbackAfter: 3,
    fallbackReplicas: 6,
    /** Events of streams that wait, for each replica. Not simulated: nobody is kept waiting by them. */
    streamLagRecords: 5_000,
  },
  knative: {
    /** Requests in flight in one replica at most; more wait in front of it. */
    containerConcurrency: 16,
    /** Requests in flight that a replica is to have on average, of those. */
    targetInFlight: 2,
    windowSeconds: 60,
    panicWindowPercent: 10,
    panicThresholdPercent: 200,
    scaleDownDelaySeconds: 300,
    retentionSeconds: 120,
  },
} as const;

/** What Kubernetes does unless it is told otherwise; HPA's own constants, and those of Knative's autoscaler. */
export const CLUSTER = {
  hpaSyncSeconds: 15,
  hpaTolerance: 0.1,
  /** From an HPA's or KPA's wish to a started container whose image the node has. Not measured here: the kubelet's and scheduler's part. */
  scheduleSeconds: 2,
  /** The kubelet looks at readiness so often; endpoints follow within it. */
  readinessPeriodSeconds: 2,
  kpaTickSeconds: 2,
  kpaMaxScaleUpRate: 1000,
  kpaMaxScaleDownRate: 2,
  kpaZeroGraceSeconds: 30,
} as const;

/** What the engine took when it was last measured (`npm run bench -- autoscaling`); what the tests of the simulation run with. */
export const RECORDED = { curve: { fixedMs: 2.9, rowMs: 5, maxBatchRows: 256 }, startSeconds: 3.3 } as const;

/** A jump of the load is in the metrics after a scrape, wished for after a sync, and answered after a start; then what has piled up is worked off. */
export const FORGIVEN_SECONDS = 90;
