import type { Flights } from '../flights.js';
import type { PlatformClient } from './platform-client.js';

const BATCH = 5_000;
const IN_FLIGHT = 4;

/**
 * Sends departures [start, end) as events. Batches overlap in flight; each source partition keeps the order of its keys within a
 * batch, and windows do not depend on the order of arrival.
 */
export async function ingest(
  client: PlatformClient,
  flights: Flights,
  start: number,
  end: number,
  sent: (count: number) => void,
): Promise<void> {
  let next = start;
  const worker = async (): Promise<void> => {
    while (next < end) {
      const from = next;
      const to = Math.min(from + BATCH, end);
      next = to;
      const reply = await client.post<{ accepted: number; rejected?: unknown[] }>(
        '/api/v1/sources/flights/events',
        flights.ndjson(from, to),
        'application/x-ndjson',
      );
      if (reply.accepted !== to - from)
        throw new Error(`${to - from} events sent, ${reply.accepted} accepted: ${JSON.stringify(reply.rejected?.[0])}`);
      sent(to - from);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}
