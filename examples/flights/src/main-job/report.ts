import type { Quality } from '../quality.js';

/** One thing the main job holds to be true of the platform, and whether it was. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** What happened, in figures. */
export interface MainJobReport {
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly trainingRows: number;
  /** On held-out flights later than those the models were trained on. */
  readonly quality: { readonly champion: Quality; readonly challenger: Quality; readonly heldOutRows: number };
  readonly predictions: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly verified: { readonly compared: number; readonly mismatches: number };
  readonly experiment: unknown;
  /** SHA-256 over every training row and every served vector: two topologies that agree bit for bit give the same. */
  readonly featureDigest: string;
  readonly checks: readonly Check[];
}

/** Progress: a step began, or went on. */
export type Progress = (step: string, done?: number, total?: number) => void;
