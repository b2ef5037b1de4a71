import type { Flight, Flights } from '@millrace/example-flights';
import { randomNumbers } from '@millrace/statistics';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SHARE = { late: 0.05, repeated: 0.01, corrected: 0.01 } as const;
const LATE_MS = 12 * HOUR;
/** A repeat or a correction follows its original after so long. */
const AFTER_MS = { least: 24 * HOUR, most: 72 * HOUR } as const;
const CORRECTED = 0x8000_0000;
const INDEX = 0x7fff_ffff;

/** One request's events. */
export interface Lane {
  readonly body: string;
  readonly events: number;
}

/**
 * Flights in the order in which their events arrive: one in twenty late by up to half a day, one in a hundred sent again later, and another one in a
 * hundred sent again with another delay, which then stands. The same seed gives the same stream.
 */
export class FlightStream {
  /** Place in the flights, the highest bit set on a correction; by arrival. */
  readonly #events: Uint32Array;
  readonly #corrected: ReadonlyMap<number, number>;
  readonly counts: { readonly flights: number; readonly late: number; readonly repeated: number; readonly corrected: number };

  constructor(
    readonly flights: Flights,
    seed: number,
  ) {
    const random = randomNumbers(seed);
    const places: number[] = [];
    const arrivals: number[] = [];
    const corrected = new Map<number, number>();
    const add = (place: number, arrival: number): void => {
      places.push(place);
      arrivals.push(arrival);
    };
    const after = (): number => AFTER_MS.least + Math.floor(random() * (AFTER_MS.most - AFTER_MS.least));
    const counts = { flights: flights.length, late: 0, repeated: 0, corrected: 0 };
    for (let index = 0; index < flights.length; index++) {
      const flight = flights.at(index);
      const isLate = random() < SHARE.late;
      const arrival = flight.departed + (isLate ? 1 + Math.floor(random() * LATE_MS) : 0);
      add(index, arrival);
      if (isLate) counts.late++;
      const fate = random();
      if (fate < SHARE.repeated) {
        counts.repeated++;
        add(index, arrival + after());
      } else if (fate < SHARE.repeated + SHARE.corrected) {
        counts.corrected++;
        corrected.set(index, flight.delay + 1 + Math.floor(random() * 240));
        add((index | CORRECTED) >>> 0, arrival + after());
      }
    }
    const order = Uint32Array.from(places, (_, event) => event);
    order.sort((a, b) => (arrivals[a] as number) - (arrivals[b] as number) || a - b);
    this.#events = order.map((event) => places[event] as number);
    this.#corrected = corrected;
    this.counts = counts;
  }

  /** Events, repeats and corrections included. */
  get length(): number {
    return this.#events.length;
  }

  /** The `event`-th event to arrive. */
  at(event: number): Flight {
    const place = this.#events[event] as number;
    const flight = this.flights.at(place & INDEX);
    return place & CORRECTED ? this.#correction(flight, place & INDEX) : flight;
  }

  /** A flight as it stands once everything has arrived. */
  standing(index: number): Flight {
    return this.#correction(this.flights.at(index), index);
  }

  /** Events from `start` to before `end` in so many bodies, one JSON object a line; those of one airport are in one of them, in their order. */
  lanes(start: number, end: number, count: number): Lane[] {
    const lanes = Array.from({ length: count }, () => ({ body: '', events: 0 }));
    for (let event = start; event < end; event++) {
      const flight = this.at(event);
      const lane = lanes[(flight.origin.charCodeAt(0) + flight.origin.charCodeAt(2)) % count] as (typeof lanes)[number];
      lane.body += `${JSON.stringify(flight)}\n`;
      lane.events++;
    }
    return lanes;
  }

  #correction(flight: Flight, index: number): Flight {
    const delay = this.#corrected.get(index);
    return delay === undefined ? flight : { ...flight, delay };
  }
}
