import type { Flight } from '../flights.js';
import type { PlatformClient } from './platform-client.js';

/** What the gateway answered for one flight. */
export interface Served {
  readonly flight: Flight;
  readonly predictionId: string;
  readonly variant: string;
  readonly probability: number;
  readonly milliseconds: number;
}

interface InferReply {
  readonly id?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}

const CONCURRENCY = 8;

/** Departs more than this many minutes late: what the model predicts and the label says. */
export const LATE_MINUTES = 15;

export function isLate(flight: Flight): 0 | 1 {
  return flight.delay > LATE_MINUTES ? 1 : 0;
}

/** Asks the gateway for each flight as an application would: at its scheduled time, with its keys and its distance. */
export async function predict(client: PlatformClient, flights: readonly Flight[], answered: () => void): Promise<Served[]> {
  const served: Served[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const flight = flights[next++];
      if (!flight) return;
      const started = performance.now();
      const reply = await client.post<InferReply>('/v2/models/delay/infer', requestFor(flight));
      const probability = reply.outputs.find((output) => output.name === 'probability')?.data[0];
      const predictionId = reply.parameters?.['prediction_id'] ?? reply.id;
      if (typeof probability !== 'number' || typeof predictionId !== 'string')
        throw new Error(`unexpected answer: ${JSON.stringify(reply)}`);
      const variant = reply.parameters?.['variant'];
      served.push({
        flight,
        predictionId,
        variant: typeof variant === 'string' ? variant : '',
        probability,
        milliseconds: performance.now() - started,
      });
      answered();
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return served;
}

/** The truth, as it becomes known when the planes leave. */
export async function sendLabels(client: PlatformClient, served: readonly Served[]): Promise<void> {
  const labels = served.map(({ predictionId, flight }) => ({
    predictionId,
    value: isLate(flight),
    time: new Date(flight.departed).toISOString(),
  }));
  for (let start = 0; start < labels.length; start += 1_000) {
    const lines = labels.slice(start, start + 1_000).map((label) => JSON.stringify(label));
    await client.post('/api/v1/deployments/delay/labels', lines.join('\n'), 'application/x-ndjson');
  }
}

function requestFor(flight: Flight): object {
  const text = (name: string, value: string): object => ({ name, shape: [1], datatype: 'BYTES', data: [value] });
  return {
    parameters: { event_time: new Date(flight.date).toISOString(), unit: flight.id },
    inputs: [
      text('origin', flight.origin),
      text('destination', flight.destination),
      { name: 'distance', shape: [1], datatype: 'FP32', data: [flight.distance] },
    ],
  };
}
