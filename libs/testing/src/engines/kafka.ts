import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../ports.js';
import { ProcessNotReady, startProcess, type RunningProcess } from '../start-process.js';
import { tempDir } from '../temp-dir.js';
import { runCommand } from '../toolchain.js';
import { brokerClasses, formatStorage, JVM_OPTIONS, kafkaClassPath, NODE_ID } from './kafka-distribution.js';

export interface KafkaOptions {
  readonly port?: number;
  /** Broker settings that come after ours, so they win. `{port}` and `{controllerPort}` in a value stand for these ports. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly jvmOptions?: readonly string[];
}

export interface KafkaEngine extends AsyncDisposable {
  /** `host:port` of the client listener. */
  readonly brokers: string;
  readonly port: number;
  /** Where the partitions' files are: `<topic>-<partition>/`. */
  readonly logDirectory: string;
  /** The broker as it runs now; another one after {@link KafkaEngine.restart}. */
  readonly process: RunningProcess;
  /** Ends the broker (SIGKILL unless told otherwise) and starts it again on the same port and data. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  /** Ends the broker in order, runs `work` on its files, starts it again. */
  whileStopped(work: () => Promise<void>): Promise<void>;
  /** Runs one of Kafka's own tools, by its class, and returns what it printed. */
  tool(mainClass: string, args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

const ATTEMPTS = 3;

/** A real Kafka broker of its own: one KRaft node on free ports, data in a temporary directory, replication 1. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaEngine> {
  const classPath = await kafkaClassPath();
  for (let attempt = 1; ; attempt++) {
    try {
      const classes = await brokerClasses((path) => recordClasses(classPath, path));
      return await startOnce(classPath, { ...options, jvmOptions: [`-XX:SharedArchiveFile=${classes}`, ...(options.jvmOptions ?? [])] });
    } catch (error) {
      // A free port is free until somebody else takes it.
      const isPortTaken = error instanceof ProcessNotReady && /Address already in use|BindException/.test(error.output);
      if (!isPortTaken || options.port !== undefined || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Writing them takes a while after the broker has ended, on a busy machine a long one. */
const RECORDING_MS = 300_000;

async function recordClasses(classPath: string, path: string): Promise<void> {
  const broker = await startOnce(classPath, { jvmOptions: [`-XX:ArchiveClassesAtExit=${path}`] });
  await broker.process.stop(RECORDING_MS);
  await broker.stop();
}

async function startOnce(classPath: string, options: KafkaOptions): Promise<KafkaEngine> {
  const dir = await tempDir('kafka');
  const port = options.port ?? (await freePort());
  const controllerPort = await freePort();
  const logs = join(dir.path, 'log');
  const properties = join(dir.path, 'server.properties');
  const start = () =>
    startProcess({
      name: 'kafka',
      command: 'java',
      args: [
        ...JVM_OPTIONS,
        // The line that says "ready".
        '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
        ...(options.jvmOptions ?? []),
        '-cp',
        classPath,
        'kafka.Kafka',
        properties,
      ],
      readyWhen: 'Kafka Server started',
      readyTimeoutMs: 120_000,
    });
  try {
    await formatStorage(logs, classPath);
    await writeFile(properties, settingsOf(port, controllerPort, logs, options.settings));
    let process = await start();
    const stop = async () => {
      await process.stop(5000);
      await dir.remove();
    };
    return {
      brokers: `127.0.0.1:${port}`,
      port,
      logDirectory: logs,
      get process() {
        return process;
      },
      restart: async (signal = 'SIGKILL') => {
        process.kill(signal);
        await process.exited;
        process = await start();
      },
      whileStopped: async (work) => {
        await process.stop(30_000);
        await work();
        process = await start();
      },
      tool: (mainClass, args) => runCommand('java', [...JVM_OPTIONS, '-cp', classPath, mainClass, ...args]),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await dir.remove();
    throw error;
  }
}

function settingsOf(port: number, controllerPort: number, logs: string, extra: Readonly<Record<string, string>> = {}): string {
  const settings: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(NODE_ID),
    'controller.quorum.voters': `${NODE_ID}@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': logs,
    // One node: every internal topic lives on it alone, and few partitions are made sooner.
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // A group is formed at once instead of waiting for members that may come.
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    'num.partitions': '4',
    'num.network.threads': '2',
    'num.io.threads': '4',
    // A broker that was killed is let in again when its session is over.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '1000',
    'log.cleaner.dedupe.buffer.size': '4194304',
    ...extra,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value.replaceAll('{port}', String(port)).replaceAll('{controllerPort}', String(controllerPort))}`)
    .join('\n');
}
