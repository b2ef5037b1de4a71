import { startKafka } from './kafka.js';
import { startRedis } from './redis.js';
import { startS3 } from './s3.js';

/** What a test run may need: the engine, the variable that carries its address, and how to start one. */
const ENGINES = {
  kafka: {
    variable: 'MILLRACE_TEST_KAFKA_BROKERS',
    start: async () => {
      const engine = await startKafka();
      return { address: engine.brokers, stop: () => engine.stop() };
    },
  },
  redis: {
    variable: 'MILLRACE_TEST_REDIS_URL',
    start: async () => {
      const engine = await startRedis();
      return { address: engine.url, stop: () => engine.stop() };
    },
  },
  s3: {
    variable: 'MILLRACE_TEST_S3_ENDPOINT',
    start: async () => {
      const engine = await startS3();
      return { address: engine.endpoint, stop: () => engine.stop() };
    },
  },
} as const satisfies Record<string, { variable: string; start: () => Promise<{ address: string; stop: () => Promise<void> }> }>;

export type EngineName = keyof typeof ENGINES;

export interface Engines {
  /** The variables tests read, those of engines found running included. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Engines named by `MILLRACE_TEST_ENGINES` (comma-separated, empty for none); all when it is not set. */
export function enginesAsked(text: string | undefined): EngineName[] {
  const all = Object.keys(ENGINES) as EngineName[];
  if (text === undefined) return all;
  const names = text.split(',').map((name) => name.trim());
  const asked = names.filter((name) => name !== '');
  const unknown = asked.filter((name) => !(name in ENGINES));
  if (unknown.length > 0) throw new Error(`MILLRACE_TEST_ENGINES names ${unknown.join(', ')}; engines are ${all.join(', ')}`);
  return asked as EngineName[];
}

/** Starts the engines together. One whose variable is in `given` already runs somewhere, and is used and left alone. */
export async function startEngines(names: readonly EngineName[], given: NodeJS.ProcessEnv): Promise<Engines> {
  const env: Record<string, string> = {};
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => void (await Promise.all(stops.splice(0).map((one) => one())));
  const results = await Promise.allSettled(
    names.map(async (name) => {
      const { variable, start } = ENGINES[name];
      const found = given[variable];
      if (found) {
        env[variable] = found;
        return;
      }
      const engine = await start();
      stops.push(engine.stop);
      env[variable] = engine.address;
    }),
  );
  const failures = results.filter((result) => result.status === 'rejected').map((result) => result.reason as Error);
  if (failures.length > 0) {
    await stop();
    throw new AggregateError(failures, `test engines could not be started:\n${failures.map((failure) => failure.message).join('\n')}`);
  }
  return { env, stop };
}
