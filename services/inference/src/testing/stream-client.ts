import { CountedOutputs, outputPlaceOf, type OutputPlace } from '@millrace/contracts';
import type { EventLog, LogRecord } from '@millrace/event-log';
import type { StreamPredicted } from '../domain/stream/stream-output.js';

/** A stream, as the API shows it. */
export interface ShownStream {
  readonly name: string;
  readonly status: string;
  readonly reason: string | null;
  readonly generation: number;
  readonly lag: number;
  readonly lagSeconds: number | null;
  readonly partitions: readonly {
    readonly partition: number;
    readonly next: number;
    readonly end: number;
    readonly lag: number;
    readonly lagSeconds: number | null;
    readonly isHere: boolean;
    readonly error: string | null;
  }[];
}

/** Asks a service for streams and applies them, as a client does. */
export class StreamClient {
  constructor(private readonly url: string) {}

  async apply(text: string): Promise<void> {
    const response = await fetch(`${this.url}/api/v1/apply`, { method: 'POST', body: text });
    if (!response.ok) throw new Error(await response.text());
  }

  async get(name: string): Promise<ShownStream> {
    const response = await fetch(`${this.url}/api/v1/streams/${name}`);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as ShownStream;
  }

  async list(query = ''): Promise<{ readonly streams: readonly ShownStream[]; readonly nextPageToken?: string }> {
    return (await fetch(`${this.url}/api/v1/streams${query}`)).json() as never;
  }

  metrics(): Promise<string> {
    return fetch(`${this.url}/metrics`).then((response) => response.text());
  }
}

export interface Output {
  readonly record: LogRecord;
  readonly place: OutputPlace;
  readonly data: StreamPredicted;
}

/** All outputs of a topic that are on the log, in order by partition. */
export async function writtenOutputs(log: EventLog, topic: string): Promise<Output[]> {
  const outputs: Output[] = [];
  const count = await log.partitions(topic);
  for (let partition = 0; partition < (count ?? 0); partition++)
    for await (const record of log.read(topic, partition, 0)) {
      const place = outputPlaceOf(record.headers);
      if (place) outputs.push({ record, place, data: JSON.parse(record.value.toString()) as StreamPredicted });
    }
  return outputs;
}

/** Those that count. */
export async function countedOutputs(log: EventLog, topic: string): Promise<Output[]> {
  const counted = new CountedOutputs();
  return (await writtenOutputs(log, topic)).filter(({ place }) => counted.counts(place));
}
