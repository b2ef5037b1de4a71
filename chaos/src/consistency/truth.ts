import type { FlightStream } from './flight-stream.js';

const HOUR = 3_600_000;
const WINDOWS = { '1h': HOUR, '6h': 6 * HOUR, '24h': 24 * HOUR } as const;

/** What the features of every airport are at a time, counted plainly over the flights as they stand. */
export function airportsAt(stream: FlightStream, at: number): Map<string, Record<string, number | null>> {
  const delays = new Map<string, Record<keyof typeof WINDOWS, number[]>>();
  for (let index = 0; index < stream.counts.flights; index++) {
    const flight = stream.standing(index);
    if (flight.departed >= at) continue;
    for (const [name, length] of Object.entries(WINDOWS) as [keyof typeof WINDOWS, number][]) {
      if (flight.departed < at - length) continue;
      const own = delays.get(flight.origin) ?? { '1h': [], '6h': [], '24h': [] };
      delays.set(flight.origin, own);
      own[name].push(flight.delay);
    }
  }
  return new Map([...delays].map(([origin, windows]) => [origin, featuresOf(windows)]));
}

function featuresOf(windows: Record<keyof typeof WINDOWS, number[]>): Record<string, number | null> {
  const features: Record<string, number | null> = {};
  for (const [name, delays] of Object.entries(windows)) {
    const sum = delays.reduce((total, delay) => total + delay, 0);
    features[`origin_departures_${name}`] = delays.length;
    features[`origin_delay_mean_${name}`] = delays.length === 0 ? null : sum / delays.length;
    features[`origin_delay_max_${name}`] = delays.length === 0 ? null : Math.max(...delays);
  }
  return features;
}

/** The time after the last flight has left, to the millisecond. */
export function afterAll(stream: FlightStream): number {
  return stream.flights.at(stream.counts.flights - 1).departed + 1;
}
