import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { FeaturesModule, featuresConfig } from '../index.js';

export const HOUR = 3_600_000;
export const START = Date.parse('2026-01-01T00:00:00Z');

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: trips}
spec:
  topic: trips
  key: city
  eventTime: at
  eventId: id
  schema: {id: String, at: DateTime64(3), city: String, line: Int32, fare: Float64}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: place}
spec: {joinKeys: {city: String}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: line}
spec: {joinKeys: {city: String, line: Int32}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: city_fares}
spec:
  entity: place
  source: trips
  ttl: 2h
  features:
    - {name: trips_1h, aggregate: count, window: 1h}
    - {name: fare_mean_1h, aggregate: mean, column: fare, window: 1h}
    - {name: last_fare, aggregate: last, column: fare}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: line_fares}
spec:
  entity: line
  source: trips
  features:
    - {name: line_fare_max_1h, aggregate: max, column: fare, window: 1h}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: fares}
spec: {features: [city_fares, line_fares]}
`;

export interface Trip {
  readonly id: string;
  readonly at: string;
  readonly city: string;
  readonly line: number;
  readonly fare: number;
}

/** A trip that began so many minutes after {@link START}. */
export function trip(id: string, minutes: number, fare: number, city = 'Bern', line = 9): Trip {
  return { id, at: new Date(START + minutes * 60_000).toISOString(), city, line, fare };
}

export function ndjson(events: readonly object[]): string {
  return events.map((event) => JSON.stringify(event)).join('\n');
}

export interface OnlineReply {
  results: { values: unknown[]; statuses: string[]; event_timestamps: string[] }[];
  metadata: { feature_names: string[]; positions: Record<string, Record<string, number>> };
}

/** The features service on embedded stores, with the trips' definitions applied. */
export class TripsService {
  private constructor(
    public service: RunningService,
    private readonly temp: TempDir,
    private readonly more: Readonly<Record<string, string>>,
  ) {}

  static async start(more: Readonly<Record<string, string>> = {}): Promise<TripsService> {
    const temp = await tempDir('features');
    const trips = new TripsService(await open(temp, more), temp, more);
    await trips.apply();
    return trips;
  }

  async apply(): Promise<void> {
    const applied = await this.post('/api/v1/apply', RESOURCES, 'application/yaml');
    if (applied.status !== 200) throw new Error(`${applied.status} ${await applied.text()}`);
  }

  /** Ends, and begins again on what is stored, without these folders of it. */
  async restart(without: readonly string[] = []): Promise<void> {
    await this.service.close();
    for (const folder of without) await rm(join(this.temp.path, folder), { recursive: true, force: true });
    this.service = await open(this.temp, this.more);
  }

  async stop(): Promise<void> {
    await this.service.close();
    await this.temp.remove();
  }

  get(path: string): Promise<Response> {
    return fetch(`${this.service.url}${path}`);
  }

  post(path: string, body: object | string, type = 'application/json'): Promise<Response> {
    return fetch(`${this.service.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  /** Sends trips; the position to wait for. */
  async send(events: readonly object[]): Promise<string> {
    const response = await this.post('/api/v1/sources/trips/events', ndjson(events), 'application/x-ndjson');
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    return response.headers.get('millrace-position') ?? '';
  }

  async online(request: object): Promise<OnlineReply> {
    const response = await this.post('/get-online-features', request);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${text}`);
    return JSON.parse(text) as OnlineReply;
  }
}

function open(temp: TempDir, more: Readonly<Record<string, string>>): Promise<RunningService> {
  const environment = {
    MILLRACE_DATA_DIR: temp.path,
    MILLRACE_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_LOG_LEVEL: 'error',
    ...more,
  };
  return bootstrap(FeaturesModule, loadConfig([featuresConfig], environment));
}

/** Asks until the answer is as wished. */
export async function until<T>(ask: () => Promise<T>, done: (answer: T) => boolean, timeoutMs = 30_000): Promise<T> {
  let last: T | undefined;
  try {
    const found = await waitFor(
      async () => {
        last = await ask();
        return done(last) && { answer: last };
      },
      { timeoutMs },
    );
    return found.answer;
  } catch (error) {
    throw new Error(`${(error as Error).message}; the last answer was ${JSON.stringify(last)?.slice(0, 2_000)}`, { cause: error });
  }
}
