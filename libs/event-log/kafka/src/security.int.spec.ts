import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort, runCommand, startKafka, tempDir, type KafkaEngine, type TempDir } from '@millrace/testing';
import { KafkaEventLog, type KafkaEventLogOptions } from './kafka-event-log.js';

const PASSWORD = 'of the store';
let dir: TempDir;
let kafka: KafkaEngine;
let ca: string;
const ports = { plain: 0, tls: 0 };

/** A broker with one listener for passwords in the open and one for passwords over TLS. */
beforeAll(async () => {
  dir = await tempDir('security');
  ports.plain = await freePort();
  ports.tls = await freePort();
  const store = join(dir.path, 'broker.p12');
  const keytool = (...args: string[]) =>
    runCommand('keytool', [...args, '-alias', 'broker', '-keystore', store, '-storetype', 'PKCS12', '-storepass', PASSWORD]);
  await keytool('-genkeypair', '-keyalg', 'EC', '-dname', 'CN=localhost', '-ext', 'SAN=DNS:localhost,IP:127.0.0.1', '-validity', '30');
  await keytool('-exportcert', '-rfc', '-file', join(dir.path, 'ca.pem'));
  ca = await readFile(join(dir.path, 'ca.pem'), 'utf8');
  const plainUsers = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_ada="countess";';
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  const listeners: Record<string, string> = {};
  for (const name of ['openly', 'safely']) {
    listeners[`listener.name.${name}.sasl.enabled.mechanisms`] = 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512';
    listeners[`listener.name.${name}.plain.sasl.jaas.config`] = plainUsers;
    listeners[`listener.name.${name}.scram-sha-256.sasl.jaas.config`] = scram;
    listeners[`listener.name.${name}.scram-sha-512.sasl.jaas.config`] = scram;
  }
  const open = `PLAINTEXT://127.0.0.1:{port},OPENLY://127.0.0.1:${ports.plain},SAFELY://localhost:${ports.tls}`;
  kafka = await startKafka({
    settings: {
      listeners: `${open},CONTROLLER://127.0.0.1:{controllerPort}`,
      'advertised.listeners': open,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,OPENLY:SASL_PLAINTEXT,SAFELY:SASL_SSL',
      'inter.broker.listener.name': 'PLAINTEXT',
      'ssl.keystore.location': store,
      'ssl.keystore.type': 'PKCS12',
      'ssl.keystore.password': PASSWORD,
      ...listeners,
    },
  });
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
    const credential = `${mechanism}=[password=hopper]`;
    const alter = ['--alter', '--entity-type', 'users', '--entity-name', 'grace', '--add-config', credential];
    await kafka.tool('kafka.admin.ConfigCommand', ['--bootstrap-server', kafka.brokers, ...alter]);
  }
}, 120_000);
afterAll(async () => {
  await kafka.stop();
  await dir.remove();
});

async function roundTrip(options: Omit<KafkaEventLogOptions, 'clientId'>): Promise<string> {
  const log = await KafkaEventLog.connect({ clientId: 'security', ...options });
  try {
    const topic = `safe.${Math.random()}`;
    await log.ensureTopic({ name: topic, partitions: 1, retention: 'forever' });
    await log.append([{ topic, key: null, value: Buffer.from('hello') }]);
    const { promise, resolve } = Promise.withResolvers<string>();
    const onBatch = async (batch: { records: readonly { value: Buffer }[] }) => resolve(String(batch.records[0]?.value));
    await log.subscribe({ topic, group: 'safe', from: () => 0, onBatch });
    return await promise;
  } finally {
    await log.close();
  }
}

describe('a Kafka that wants to know who is there', () => {
  const ada = { mechanism: 'plain', username: 'ada', password: 'countess' } as const;
  const grace = { username: 'grace', password: 'hopper' } as const;

  test.each([
    ['plain', ada],
    ['scram-sha-256', { mechanism: 'scram-sha-256', ...grace }],
    ['scram-sha-512', { mechanism: 'scram-sha-512', ...grace }],
  ] as const)('is told by %s, in the open and over TLS', async (_, sasl) => {
    expect(await roundTrip({ brokers: [`127.0.0.1:${ports.plain}`], sasl })).toBe('hello');
    expect(await roundTrip({ brokers: [`localhost:${ports.tls}`], sasl, ssl: { ca } })).toBe('hello');
  });

  test('a wrong password is refused for good; an unknown certificate and an unused port are not passed', async () => {
    const wrong = { ...ada, password: 'count' };
    const connect = (options: Omit<KafkaEventLogOptions, 'clientId'>) => KafkaEventLog.connect({ clientId: 'security', ...options });
    await expect(connect({ brokers: [`127.0.0.1:${ports.plain}`], sasl: wrong })).rejects.toMatchObject({
      code: 'MR_LOG_FORBIDDEN',
      retryable: false,
    });
    await expect(connect({ brokers: [`localhost:${ports.tls}`], sasl: ada, ssl: true })).rejects.toMatchObject({
      code: 'MR_LOG_UNAVAILABLE',
    });
    await expect(connect({ brokers: [`127.0.0.1:${await freePort()}`] })).rejects.toMatchObject({
      code: 'MR_LOG_UNAVAILABLE',
      retryable: true,
    });
  });
});
