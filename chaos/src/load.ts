import type { Ledger, LoggedRun } from './ledger.js';
import type { SeededRandom } from './random.js';

/** The event time of the chaos stream: fixed, so that windows do not depend on when the test runs. */
export const STREAM_START = Date.UTC(2026, 0, 1);
export const ENTITIES = Array.from({ length: 16 }, (_, index) => `e${index}`);
const EVENTS_PER_REQUEST = 50;
const POINTS_PER_BATCH = 5;
const BATCHES_PER_RUN = 10;

export const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: chaos}
spec: {topic: chaos, format: json, key: entity, eventTime: at, eventId: id, schema: {id: String, entity: String, at: DateTime64(3), value: Int64}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: chaos_entity}
spec: {joinKeys: {entity: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: chaos_counts}
spec:
  entity: chaos_entity
  source: chaos
  ttl: 7d
  online: true
  features:
    - {name: events_7d, aggregate: count, window: 7d}
    - {name: value_7d, aggregate: sum, column: value, window: 7d}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: chaos_model}
spec: {features: [chaos_counts]}
`;

/** Clients that write until told to stop. A refused connection ends a client's turn; an answered request is entered in the ledger. */
export class Load {
  #stopping = false;
  #clients: Promise<void>[] = [];

  constructor(
    private readonly url: string,
    private readonly ledger: Ledger,
    private readonly random: SeededRandom,
    private readonly experimentId: string,
  ) {}

  start(clients: number): void {
    this.#stopping = false;
    this.#clients = Array.from({ length: clients }, (_, index) => this.#client(index));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  async #client(index: number): Promise<void> {
    while (!this.#stopping) {
      const done = index % 2 === 0 ? await this.#logRun() : await this.#sendEvents();
      if (!done) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** One run with a param, and points in several batches; each batch is acknowledged by itself. */
  async #logRun(): Promise<boolean> {
    const number = this.ledger.runNumber();
    const param = `p${number}`;
    let run: LoggedRun | undefined;
    try {
      const created = await this.#post('/api/2.0/mlflow/runs/create', { experiment_id: this.experimentId, start_time: STREAM_START });
      const runId = (created as { run: { info: { run_id: string } } }).run.info.run_id;
      for (let batch = 0; batch < BATCHES_PER_RUN; batch++) {
        const metrics = Array.from({ length: POINTS_PER_BATCH }, (_, index) => {
          const step = batch * POINTS_PER_BATCH + index;
          return { key: 'm', value: step, timestamp: STREAM_START + step, step };
        });
        const params = batch === 0 ? [{ key: 'p', value: param }] : [];
        await this.#post('/api/2.0/mlflow/runs/log-batch', { run_id: runId, params, metrics, tags: [] });
        this.ledger.batches++;
        if (run) run.points += metrics.length;
        else this.ledger.runs.push((run = { runId, param, points: metrics.length, unknownPoints: 0 }));
      }
      return true;
    } catch {
      if (run) run.unknownPoints = POINTS_PER_BATCH;
      else this.ledger.unknownRuns++;
      return false;
    }
  }

  async #sendEvents(): Promise<boolean> {
    const events = Array.from({ length: EVENTS_PER_REQUEST }, () => {
      const number = this.ledger.eventId();
      const entity = this.random.pick(ENTITIES);
      return { id: `c${number}`, entity, at: STREAM_START + number, value: number % 1000 };
    });
    try {
      const body = events.map((event) => JSON.stringify(event)).join('\n');
      const reply = (await this.#post('/api/v1/sources/chaos/events', body, 'application/x-ndjson')) as { accepted: number };
      if (reply.accepted !== events.length) throw new Error(`only ${reply.accepted} of ${events.length} accepted`);
      for (const { id, entity, value } of events) this.ledger.events.set(id, { entity, value });
      return true;
    } catch {
      this.ledger.unknownEvents += events.length;
      return false;
    }
  }

  async #post(path: string, body: unknown, contentType = 'application/json'): Promise<unknown> {
    const response = await fetch(`${this.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}
