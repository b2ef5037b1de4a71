/** How many requests come, over time, and what of it no autoscaler that only looks back can be ready for. */
export interface LoadShape {
  readonly name: string;
  readonly seconds: number;
  /** Requests a second at `at` seconds. */
  readonly rate: (at: number) => number;
  readonly peak: number;
  /** Seconds at which the load jumps by more than the spare share of the replicas: for a while after each the target cannot be held. */
  readonly jumps: readonly number[];
  /** How often the load itself turns from growing to falling or back. */
  readonly turns: number;
}

// Taken once: in a test, where the globals are those of a context of its own, each look at one costs as much as the arithmetic around it.
const { cos, PI } = Math;

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** `unit`: requests a second that one replica takes when it is always busy. */
export function loadShapes(unit: number): readonly LoadShape[] {
  const base = 1.5 * unit;
  return [
    { name: 'steady', seconds: 15 * MINUTE, rate: () => 3 * unit, peak: 3 * unit, jumps: [], turns: 0 },
    {
      ...{ name: 'diurnal', seconds: HOUR, peak: 9 * unit, jumps: [], turns: 3 },
      rate: (at) => unit * (5 - 4 * cos((2 * PI * at) / (HOUR / 2))),
    },
    {
      ...{ name: 'step x5', seconds: 40 * MINUTE, peak: 5 * base, jumps: [10 * MINUTE], turns: 1 },
      rate: (at) => (at >= 10 * MINUTE && at < 25 * MINUTE ? 5 * base : base),
    },
    {
      ...{ name: 'spike', seconds: 30 * MINUTE, peak: 4 * base, jumps: [10 * MINUTE], turns: 1 },
      rate: (at) => (at >= 10 * MINUTE && at < 11 * MINUTE ? 4 * base : base),
    },
    {
      ...{ name: 'sawtooth', seconds: 30 * MINUTE, peak: 6 * unit, jumps: [], turns: 11 },
      rate: (at) => unit * (1 + 5 * ((at % (5 * MINUTE)) / (5 * MINUTE))),
    },
    {
      ...{ name: 'from zero', seconds: 40 * MINUTE, peak: 2 * unit, jumps: [10 * MINUTE], turns: 1 },
      rate: (at) => (at >= 10 * MINUTE && at < 25 * MINUTE ? 2 * unit : 0),
    },
  ];
}
