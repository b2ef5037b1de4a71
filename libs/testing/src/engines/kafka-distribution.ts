import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedDirectory } from '../cached-directory.js';
import { findCommand, need, repositoryRoot, runCommand } from '../toolchain.js';

export const KAFKA_VERSION = '4.1.0';

const OLDEST_JAVA = 17;

/** Broker, storage tool, and a logger that writes warnings to stderr without a configuration file. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.millrace</groupId><artifactId>test-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;

/** The class path of a Kafka broker, fetched by Maven once and kept under `.engines/`. */
export async function kafkaClassPath(): Promise<string> {
  await need({
    what: `Java ${OLDEST_JAVA} or later`,
    isPresent: async () => (await javaVersion()) >= OLDEST_JAVA,
    packages: ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless'],
  });
  const home = await cachedDirectory(join(repositoryRoot, '.engines', `kafka-${KAFKA_VERSION}`), async (target) => {
    await need({ what: 'Maven', isPresent: async () => findCommand('mvn') !== undefined, packages: ['maven'] });
    await writeFile(join(target, 'pom.xml'), POM);
    const output = `-DoutputDirectory=${join(target, 'jars')}`;
    await runCommand('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', output], { cwd: target });
  });
  return join(home, 'jars', '*');
}

/** Options every JVM here gets: quick to start, small, and no C2 compiler to compete with the tests for two cores. */
export const JVM_OPTIONS = [
  '-Xmx512m',
  '-Xms64m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Djava.awt.headless=true',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
];

/** Every broker here has these; they are written into the formatted storage. */
export const NODE_ID = 1;
const CLUSTER_ID = 'TWlsbHJhY2VUZXN0RW5nAA';

/**
 * An empty, formatted log directory at `target`. Formatting takes a JVM start, so it is done once and copied: nothing in it
 * depends on ports or paths.
 */
export async function formatStorage(target: string, classPath: string): Promise<void> {
  const template = await cachedDirectory(join(repositoryRoot, '.engines', `kafka-${KAFKA_VERSION}-formatted`), async (path) => {
    const properties = join(path, 'format.properties');
    const logs = join(path, 'log');
    const lines = [
      'process.roles=broker,controller',
      `node.id=${NODE_ID}`,
      `controller.quorum.voters=${NODE_ID}@127.0.0.1:1`,
      'controller.listener.names=CONTROLLER',
      'listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1',
      `log.dirs=${logs}`,
    ];
    await writeFile(properties, lines.join('\n'));
    await runCommand('java', [...JVM_OPTIONS, '-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', properties]);
  });
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  await cp(join(template, 'log'), target, { recursive: true });
}

/**
 * The classes of a broker as a JVM has read and checked them, which takes it longer than all else of a start. `record` runs a broker that writes them to the
 * path when it ends; done once. A JVM that can do nothing with the file goes by the jars as before.
 */
export async function brokerClasses(record: (path: string) => Promise<void>): Promise<string> {
  const home = join(repositoryRoot, '.engines', `kafka-${KAFKA_VERSION}-classes`);
  return join(await cachedDirectory(home, (target) => record(join(target, ARCHIVE))), ARCHIVE);
}

const ARCHIVE = 'broker.jsa';

async function javaVersion(): Promise<number> {
  if (!findCommand('java')) return 0;
  const match = /version "(\d+)/.exec(await runCommand('java', ['-version']).catch(() => ''));
  return match ? Number(match[1]) : 0;
}
