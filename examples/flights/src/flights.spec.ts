import { beforeAll, expect, test } from '@jest/globals';
import { Flights } from './flights.js';

let flights: Flights;
beforeAll(async () => {
  flights = await Flights.load(50_000);
}, 60_000);

test('departures come in the order in which they happened', () => {
  let before = -Infinity;
  for (const flight of flights) {
    expect(flight.departed).toBeGreaterThanOrEqual(before);
    before = flight.departed;
  }
});

test('an event is known when the plane has left: departed is date plus delay', () => {
  const flight = flights.at(1234);
  expect(flight.departed - flight.date).toBe(flight.delay * 60_000);
});

test('ids name rows of the file, each once', () => {
  expect(new Set([...flights].map((flight) => flight.id)).size).toBe(50_000);
});
