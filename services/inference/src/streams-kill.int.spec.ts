import { afterEach, expect, test } from '@jest/globals';
import { deadLetterTopicOf, readDeadLetter } from '@millrace/event-log';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { freePort, startFromSources, tempDir, waitFor, type RunningProcess, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { delayModel, departures, FLIGHTS } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';
import { rowModel } from './testing/row-model.js';
import { countedOutputs, StreamClient, writtenOutputs } from './testing/stream-client.js';

const MAIN = 'services/inference/src/main.ts';
/** `MILLRACE_TEST_STREAM_KILLS=30` is the run of the release; each kill costs a start of the service. */
const KILLS = Number(process.env['MILLRACE_TEST_STREAM_KILLS'] ?? 4);
/** Of each partition: more than the quickest start takes up before it is killed, or nothing is left for the last of them. */
const EVENTS = 1_000 + 2_000 * KILLS;
const PARTITIONS = 2;
const BEGAN = Date.parse('2001-01-01T09:00:00Z');
const HOUR = 3_600_000;

/** One is enriched from the online store, of the other some events are refused and some cannot be read. */
const STREAMS = `${FLIGHTS}
---
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: due}
spec: {topic: due, key: origin, eventTime: at, eventId: id, schema: {at: DateTime64(3), id: String, origin: String, distance: Float32}}
---
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: looked}
spec: {topic: looked, eventTime: at, schema: {at: DateTime64(3), index: Int64}}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: delay}
spec: {model: models:/delay/1, featureService: delay_model}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: row}
spec: {model: models:/row/1}
---
apiVersion: millrace.dev/v1
kind: StreamingInference
metadata: {name: due}
spec: {deployment: delay, source: due, output: {topic: due.out}, maxBatchRecords: 64}
---
apiVersion: millrace.dev/v1
kind: StreamingInference
metadata: {name: looked}
spec: {deployment: row, source: looked, output: {topic: looked.out, columns: [index]}, maxBatchRecords: 64}
`;
const NAMES = ['due', 'looked'];
const ALL = NAMES.length * PARTITIONS * EVENTS;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

test(
  `streams killed ${KILLS} times give the outputs of the undisturbed run, row for row, each event once`,
  async () => {
    const undisturbed = await prepared('streams-undisturbed');
    const truth = await outcomeOf(undisturbed, await live(undisturbed));

    const directory = await prepared('streams-killed');
    const moments: number[] = [];
    let done = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const { process: child, streams } = await live(directory);
      // What was done before a kill is still so.
      const begun = await progressOf(streams);
      expect({ moments, isBehind: begun < done, isOver: begun === ALL }).toEqual({ moments, isBehind: false, isOver: false });
      // Now and then before anything is taken up.
      if (kill % 3 !== 2)
        await waitFor(async () => (await progressOf(streams)) > begun, {
          what: 'an output after a start',
          timeoutMs: 60_000,
          intervalMs: 5,
        });
      const moment = Math.floor(Math.random() * 120);
      moments.push(moment);
      await new Promise((resolve) => setTimeout(resolve, moment));
      done = await progressOf(streams);
      child.kill('SIGKILL');
      await child.exited;
    }
    // The kills were in the middle of it.
    expect({ moments, isOver: done >= ALL }).toEqual({ moments, isOver: false });
    const outcome = await outcomeOf(directory, await live(directory));
    expect({ moments, rows: outcome.rows }).toEqual({ moments, rows: truth.rows });
    expect({ moments, table: outcome.table }).toEqual({ moments, table: truth.table });
    expect({ moments, letters: outcome.letters }).toEqual({ moments, letters: truth.letters });
    expect({ moments, predicted: outcome.predicted }).toEqual({ moments, predicted: truth.predicted });
    // One process at a time has a partition, so nothing is even written twice.
    expect({ moments, written: outcome.written }).toEqual({ moments, written: truth.written });
    const refused = Math.ceil((EVENTS - 5) / 101) * PARTITIONS;
    const unreadable = Math.ceil((EVENTS - 7) / 499) * PARTITIONS;
    const both = Array.from({ length: EVENTS }, (_, n) => n).filter((n) => n % 101 === 5 && n % 499 === 7).length * PARTITIONS;
    expect(truth.letters.length).toBe(refused + unreadable - both);
    expect(truth.rows.map((rows) => rows.length)).toEqual([EVENTS * PARTITIONS, EVENTS * PARTITIONS - truth.letters.length]);
    expect(truth.table).toEqual(truth.rows.flat().length);
    expect(truth.written).toBe(truth.rows.flat().length);
  },
  (KILLS + 6) * 60_000,
);

const settings = (directory: TempDir): Record<string, string> => ({
  ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_LOG_LEVEL: 'fatal' },
  MILLRACE_GRPC_PORT: '0',
});

async function openService(directory: TempDir): Promise<RunningService> {
  const service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], settings(directory)));
  ends.push(() => service.close());
  return service;
}

/** A data directory with the models, the features and all events, and nothing at work. */
async function prepared(name: string): Promise<TempDir> {
  const directory = await tempDir(name);
  ends.push(() => directory.remove());
  const service = await openService(directory);
  const { log } = service.host;
  const models = new PublishedModels(service.host);
  await models.register('delay', delayModel(0));
  await models.register('row', rowModel(100));
  await departures(
    service.host,
    Array.from({ length: 120 }, (_, n) => ({
      ...{ origin: `O${n % 7}`, delay: (n * 31) % 90 },
      departed: new Date(BEGAN - HOUR + n * 180_000).toISOString(),
    })),
  );
  for (const topic of NAMES) await log.ensureTopic({ name: topic, partitions: PARTITIONS, retention: 'forever' });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let from = 0; from < EVENTS; from += 1_000) {
      const numbers = Array.from({ length: Math.min(1_000, EVENTS - from) }, (_, n) => from + n);
      const record = (topic: string, key: string | null, value: object | string) => ({
        ...{ topic, partition, key, value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)) },
      });
      await log.append(
        numbers.flatMap((n) => {
          const at = BEGAN + ((n * 7_919) % (5 * HOUR));
          const origin = `O${(n + partition) % 9}`;
          return [
            record('due', origin, { at, id: `${partition}-${n}`, origin, distance: (n * 37) % 3_000 }),
            record('looked', null, n % 499 === 7 ? `unreadable ${n}` : { at, index: n % 101 === 5 ? 1_000 : n % 100 }),
          ];
        }),
      );
    }
  }
  await service.close();
  return directory;
}

interface Live {
  readonly process: RunningProcess;
  readonly streams: StreamClient;
}

async function live(directory: TempDir): Promise<Live> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = await startFromSources('inference', [MAIN], `${url}/readyz`, {
    ...settings(directory),
    MILLRACE_PORT: new URL(url).port,
  });
  ends.push(() => child.stop());
  const streams = new StreamClient(url);
  await streams.apply(STREAMS);
  return { process: child, streams };
}

async function progressOf(streams: StreamClient): Promise<number> {
  const shown = await Promise.all(NAMES.map((name) => streams.get(name)));
  return shown.flatMap(({ partitions }) => partitions).reduce((sum, { next }) => sum + next, 0);
}

interface Outcome {
  /** Of each stream, each output that counts, as JSON without when it was made. */
  readonly rows: readonly (readonly string[])[];
  /** Records on the output topics, of whatever kind. */
  readonly written: number;
  /** Rows of the analysts' view. */
  readonly table: number;
  /** Ids and reasons of the letters, each once. */
  readonly letters: readonly string[];
  /** Digest of all predictions in the table. */
  readonly predicted: string;
}

/** Waits until all is done, ends the process and looks at what there is. */
async function outcomeOf(directory: TempDir, { process: child, streams }: Live): Promise<Outcome> {
  await waitFor(async () => (await progressOf(streams)) === ALL, {
    timeoutMs: 60_000 + 30_000 * KILLS,
    intervalMs: 250,
  });
  await child.stop();
  const service = await openService(directory);
  const { log, offline, tables } = service.host;
  const rows = await Promise.all(
    NAMES.map(async (name) =>
      (await countedOutputs(log, `${name}.out`)).map(({ record, data }) =>
        JSON.stringify([record.partition, record.key, record.headers['ce_id'], data]),
      ),
    ),
  );
  const written = (await Promise.all(NAMES.map((name) => writtenOutputs(log, `${name}.out`)))).flat().length;
  const letters = new Set<string>();
  for await (const record of log.read(deadLetterTopicOf('looked'), 0, 0)) {
    const { id, code, record: kept } = readDeadLetter(record);
    letters.add(JSON.stringify([id, code, kept.value.toString()]));
  }
  const count = async (sql: string): Promise<number> => Number((await offline.query<{ n: number }>(`SELECT toInt32(${sql}`))[0]?.n);
  await waitFor(async () => (await count('count()) AS n FROM millrace.stream_outputs')) >= rows.flat().length, { timeoutMs: 60_000 });
  await tables.settled();
  const [digest] = await offline.query<{ digest: string }>(
    `SELECT concat(toString(count()), ' ', toString(sum(cityHash64(prediction_id, request_id, outputs, error_code)))) AS digest
     FROM millrace.predictions FINAL`,
  );
  const table = await count('count()) AS n FROM millrace.stream_outputs');
  await service.close();
  return { rows, written, table, letters: [...letters].sort(), predicted: digest?.digest ?? '' };
}
